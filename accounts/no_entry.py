"""What a person reads who is not let in: why, and what he can do."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.admission import Reason

_NOT_HERE, _NOT_IN = _("You cannot enter here"), _("You were not signed in")


@dataclass(frozen=True, slots=True)
class NoEntry:
    """One page. `as_another` offers to come with another account of the provider instead of trying again."""

    sentence: str | Promise
    heading: str | Promise = _NOT_HERE
    status: int = 403
    as_another: bool = True


PAGES = {
    Reason.NO_EMAIL: NoEntry(_("%(provider)s did not tell your e-mail address.")),
    Reason.UNVERIFIED: NoEntry(
        _("%(provider)s has not verified your e-mail address. Verify it there and sign in again.")
    ),
    Reason.NOT_INVITED: NoEntry(_("%(email)s has not been invited. Ask an administrator for an invitation.")),
    Reason.REMOVED: NoEntry(_("Your access has been withdrawn. An administrator can restore it.")),
    Reason.OTHER_ACCOUNT: NoEntry(
        _(
            "%(email)s came with another account before. Use that one, or ask an administrator to "
            "remove you and let you back: then this one counts."
        )
    ),
    Reason.NO_ROLE: NoEntry(_("%(provider)s gives you no role here. Ask whoever manages the roles there.")),
    Reason.NOT_BELIEVED: NoEntry(
        _("What %(provider)s answered did not pass the checks. Please try again."), _NOT_IN, as_another=False
    ),
}
BROKEN_OFF = NoEntry(_("%(provider)s did not let you in, or you turned back."), _NOT_IN, as_another=False)
NOT_OURS = NoEntry(
    _("This sign-in was begun elsewhere, or too long ago, or is over. Please try again."),
    _NOT_IN,
    status=400,
    as_another=False,
)
AWAY = NoEntry(
    _("%(provider)s cannot be reached, or does not answer as it should. Mailings go on. Please try again later."),
    _("Nobody can sign in now"),
    status=503,
    as_another=False,
)


def show(request: HttpRequest, page: NoEntry, *, email: str = "") -> HttpResponse:
    """The page; a stranger's session, which knew only that he was on his way, ends with it."""
    if not request.user.is_authenticated:
        request.session.flush()
    sentence = str(page.sentence) % {"provider": settings.OIDC_NAME, "email": email}
    # the address of this page holds what the provider said: a choice of language must not come back to it
    context = {"page": page, "sentence": sentence, "stay_at": reverse("account_login")}
    response = render(request, "account/no_entry.html", context, status=page.status)
    response["Cache-Control"] = "no-store"
    return response
