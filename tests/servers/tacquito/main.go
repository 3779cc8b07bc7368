// A TACACS+ server for tests, made of what the module tacquito offers, to check our client against
// somebody else's reading of RFC 8907 and RFC 9887.
//
// It listens on a free port of 127.0.0.1, writes that port to standard output, and serves until
// it is ended. People and the shared key are read as JSON from the file named first; with three
// more files (certificate, key, authority of clients) it speaks TLS 1.3. Accounting goes to
// standard error.
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"

	tacquito "github.com/facebookincubator/tacquito"
	"github.com/facebookincubator/tacquito/cmds/server/config"
	"github.com/facebookincubator/tacquito/cmds/server/config/accounters/local"
	"github.com/facebookincubator/tacquito/cmds/server/config/authenticators/bcrypt"
	"github.com/facebookincubator/tacquito/cmds/server/config/authorizers/stringy"
	"github.com/facebookincubator/tacquito/cmds/server/config/secret"
	"github.com/facebookincubator/tacquito/cmds/server/config/secret/prefix"
	"github.com/facebookincubator/tacquito/cmds/server/handlers"
	"github.com/facebookincubator/tacquito/cmds/server/loader"
	serverlog "github.com/facebookincubator/tacquito/cmds/server/log"
	hashing "golang.org/x/crypto/bcrypt"
)

const scope = "loopback"

type person struct {
	Password  string         `json:"password"`
	Arguments []config.Value `json:"arguments"`
}

type settings struct {
	Key    string            `json:"key"`
	People map[string]person `json:"people"`
}

// ready hands settings that were made here to the loader.
type ready chan config.ServerConfig

func (r ready) Load(string) error                { return nil }
func (r ready) Config() chan config.ServerConfig { return r }

// noKeys is asked for no keys, since every hash stands in the settings.
type noKeys struct{}

func (noKeys) GetSecret(context.Context, string, string) ([]byte, error) {
	return nil, fmt.Errorf("there is no store of keys")
}

func main() {
	if err := serve(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func serve(files []string) error {
	if len(files) != 1 && len(files) != 4 {
		return fmt.Errorf("usage: tacquito SETTINGS [CERTIFICATE KEY AUTHORITY]")
	}
	made, err := configured(files[0])
	if err != nil {
		return err
	}
	source := make(ready, 1)
	source <- *made
	ctx := context.Background()
	told := serverlog.New(10, os.Stderr)
	accounter, err := local.New(told, local.SetLogSink(log.New(os.Stderr, "accounting: ", 0)))
	if err != nil {
		return err
	}
	provider, err := loader.NewLocalConfig(ctx, "", source,
		loader.SetLoggerProvider(told),
		loader.SetKeychainProvider(secret.New()),
		loader.SetConfigProvider(config.New()),
		loader.SetAuthorizerProvider(stringy.New(told)),
		loader.RegisterSecretProviderType(config.PREFIX, prefix.New(told)),
		loader.RegisterHandlerType(config.START, handlers.NewStart(told)),
		loader.RegisterAuthenticator(config.BCRYPT, bcrypt.New(told, noKeys{})),
		loader.RegisterAccounter(config.FILE, accounter),
	)
	if err != nil {
		return err
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	listener, options, err := covered(plain, files[1:])
	if err != nil {
		return err
	}
	fmt.Println(plain.Addr().(*net.TCPAddr).Port)
	return tacquito.NewServer(told, provider, options...).Serve(ctx, listener)
}

func covered(plain net.Listener, files []string) (tacquito.DeadlineListener, []tacquito.Option, error) {
	if len(files) == 0 {
		return plain.(*net.TCPListener), nil, nil
	}
	rules, err := tacquito.GenTLSConfig(files[0], files[1], files[2], true)
	if err != nil {
		return nil, nil, err
	}
	listener, err := tacquito.NewTLSListener(plain, rules)
	return listener, []tacquito.Option{tacquito.SetUseTLS(true)}, err
}

func configured(path string) (*config.ServerConfig, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var wanted settings
	if err := json.Unmarshal(content, &wanted); err != nil {
		return nil, err
	}
	made := &config.ServerConfig{Secrets: []config.SecretConfig{{
		Name:    scope,
		Secret:  config.Keychain{Group: scope, Key: wanted.Key},
		Handler: config.Handler{Type: config.START},
		Type:    config.PREFIX,
		Options: map[string]string{"prefixes": `["127.0.0.0/8"]`},
	}}}
	for name, one := range wanted.People {
		hash, err := hashing.GenerateFromPassword([]byte(one.Password), hashing.MinCost)
		if err != nil {
			return nil, err
		}
		made.Users = append(made.Users, config.User{
			Name:     name,
			Scopes:   []string{scope},
			Services: []config.Service{{Name: "shell", SetValues: one.Arguments}},
			Authenticator: &config.Authenticator{
				Type:    config.BCRYPT,
				Options: map[string]string{"hash": hex.EncodeToString(hash)},
			},
			Accounter: &config.Accounter{Name: scope, Type: config.FILE},
		})
	}
	return made, nil
}
