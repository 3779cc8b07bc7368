// A real OpenID provider for tests: `node provider.mjs ISSUER CALLBACK`, where ISSUER names the
// port. Anybody may log in as anybody (its own development pages ask); ada is staff, bob is not.
import { Provider } from "oidc-provider";

const [issuer, callback] = process.argv.slice(2);
const people = {
  ada: { preferred_username: "ada", groups: ["hub-staff", "everybody"] },
  bob: { preferred_username: "bob", groups: ["everybody"] },
};
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "hub",
      client_secret: "a secret that is only known to tests",
      redirect_uris: [callback],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    },
  ],
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"] },
  conformIdTokenClaims: false,
  cookies: { keys: ["only for tests"] },
  features: { devInteractions: { enabled: true } },
  async findAccount(context, id) {
    return { accountId: id, claims: async () => ({ sub: id, ...people[id] }) };
  },
});
provider.listen(Number(new URL(issuer).port), "127.0.0.1", () => console.log("ready"));
