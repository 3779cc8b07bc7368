"""The events of the audit trail, put in words."""

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

# An app adds its own lines here; an event without one is shown by its name.
SENTENCES: dict[str, StrOrPromise] = {
    "setup_link.made": _("A set-up link was made."),
    "account.made": _("The account %(subject)s was made."),
    "account.logged_in": _("%(subject)s logged in."),
    "account.password_changed": _("%(subject)s changed the password."),
    "account.came": _("%(subject)s came by central login for the first time."),
    "account.taken_over": _("The account %(subject)s was taken over from another product."),
    "account.had_no_role": _("%(subject)s was refused: no rule gives this person a role."),
    "account.local_used": _("The local account %(subject)s was used beside central login."),
    "account.sessions_ended": _("All sessions of %(subject)s were ended."),
    "account.email_changed": _("%(subject)s changed the e-mail address."),
    "account.switched_off": _("The account %(subject)s was switched off."),
    "account.switched_on": _("The account %(subject)s was switched on."),
    "account.unlocked": _("The account %(subject)s was opened for passwords again."),
    "account.confirmed": _("%(subject)s showed once more who it is."),
    "factor.added": _("%(subject)s added a second factor."),
    "factor.removed": _("A second factor of %(subject)s was removed."),
    "recovery.made": _("%(subject)s made new recovery codes."),
    "recovery.used": _("%(subject)s used a recovery code."),
    "central_login.tested": _("The server %(subject)s of central login was tested."),
    "token.made": _("The API token %(subject)s was made."),
    "token.revoked": _("The API token %(subject)s was revoked."),
    "product.added": _("The product %(subject)s was added."),
    "product.changed": _("The profile of %(subject)s was changed."),
    "repository.trusted": _("The maker's root keys were trusted."),
    "repository.changed": _("New root or targets metadata was accepted."),
    "release.published": _("Release %(subject)s was published."),
    "release.offered": _("Release %(subject)s was offered to devices."),
    "release.withdrawn": _("Release %(subject)s was withdrawn."),
    "keys.renewed": _("The online metadata was signed afresh."),
}


def sentence(what: str, subject: str) -> str:
    """Put an event in words."""
    known = SENTENCES.get(what)
    if known is not None:
        return str(known) % {"subject": subject}
    return " ".join((what.replace(".", " ").replace("_", " "), subject)).strip()
