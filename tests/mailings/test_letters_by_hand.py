"""What people do about the daily report: they choose it, send it, and send it again."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.journal import SERVICE, Actor
from accounts.models import JournalEntry
from accounts.refusals import Invalid, Refused
from mailings import clock, letters, report
from mailings.models import Letter, LetterState, Occasion, Subscription
from tests.mail_server import MailServer
from tests.mailings.posting import run, subscribe
from tests.makers import make_letter

pytestmark = pytest.mark.django_db
# who delivers gives his connection back
commits = pytest.mark.django_db(transaction=True)


@commits
def test_an_unknown_letter_is_sent_again_by_a_person_as_a_letter_of_its_own(served: MailServer) -> None:
    unknown = make_letter(state=LetterState.UNKNOWN)

    again = letters.send_again(SERVICE, unknown.pk)
    run()

    again.refresh_from_db()
    assert (again.state, again.occasion, again.report) == (LetterState.SENT, Occasion.BY_HAND, unknown.report)
    with pytest.raises(Refused, match="on its way"):
        letters.send_again(SERVICE, make_letter(state=LetterState.QUEUED, ended_at=None).pk)


@pytest.mark.once
@pytest.mark.parametrize(
    "to",
    [
        "",
        "anna",
        "anna@example.com\nBcc: eve@example.com",
        "a@b.ru, c@d.ru",
        "<anna@example.com>",
        "анна@example.com",
        '"<anna>"@example.com',
    ],
    ids=repr,
)
def test_a_letter_goes_to_one_address_that_is_one(to: str, served: MailServer) -> None:
    with pytest.raises(Invalid):
        letters.send(SERVICE, letters.last_day(clock.now()), to=to, language="en")

    assert not Letter.objects.exists()


def test_people_choose_and_choose_again(db: None) -> None:
    [anna] = subscribe("anna@example.com")

    letters.choose(Actor(user=anna), "ru")
    letters.choose(Actor(user=anna), "ru")
    assert Subscription.objects.get().language == "ru"
    letters.choose(Actor(user=anna), None)

    assert not Subscription.objects.exists()
    told = [entry.details for entry in JournalEntry.objects.filter(user=anna).order_by("id")]
    assert [entry["after"]["daily_report"] for entry in told] == ["en", "ru", None]
    with pytest.raises(Invalid):
        letters.choose(Actor(user=anna), "xx")
    with pytest.raises(Refused):
        letters.choose(SERVICE, "en")


@pytest.mark.once
@commits
def test_a_command_sends_it_at_once_and_says_what_came_of_it(served: MailServer) -> None:
    said = StringIO()
    day = (letters.last_day(clock.now()) - report.A_DAY).isoformat()

    call_command("send_report", "--day", day, "--to", "boss@example.com", "--language", "ru", stdout=said)
    [(to, letter)] = served.letters
    assert (to, letter["Content-Language"]) == ("boss@example.com", "ru")
    assert said.getvalue() == "boss@example.com: sent (250 OK)\n"

    with pytest.raises(CommandError, match="Nobody chose"):
        call_command("send_report")
    subscribe("anna@example.com")
    served.to_rcpt = "550 No"
    with pytest.raises(CommandError, match="Not every letter"):
        call_command("send_report", stdout=said)
    assert "anna@example.com: failed (550 No)" in said.getvalue()
    with pytest.raises(CommandError, match="There is no report"):
        call_command("send_report", "--day", "2999-01-01", "--to", "boss@example.com")
