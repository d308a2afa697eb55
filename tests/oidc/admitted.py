"""What is left behind by one who was not let in."""

from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client as Browser

from accounts.models import JournalEntry
from tests.oidc.conftest import is_in


def refusal() -> str:
    """The reason in the journal's last entry, which must be a refusal."""
    entry = JournalEntry.objects.latest("id")
    assert entry.verb == "sign_in_refused"
    return str(entry.details["reason"])


def sees_no_entry(browser: Browser, answer: object, status: int = 403) -> None:
    """A page with that status, nobody signed in, nothing left behind."""
    assert getattr(answer, "status_code") == status  # noqa: B009  # an answer of the test client
    assert not is_in(browser)
    assert not SocialAccount.objects.exists()
    assert not UserSession.objects.exists()
    assert not Session.objects.exists()
