"""The daily report is posted once, and every letter of it arrives once or says what became of it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django_q.models import OrmQ
from pytest_django.fixtures import Settings

from accounts import people
from accounts.journal import SERVICE, Actor
from accounts.models import JournalEntry
from accounts.refusals import Refused
from accounts.roles import Role
from config.mail import Security, Server
from mailings import clock, letters, report
from mailings.models import Letter, LetterState, Report
from mailings.post import Fate, Handed
from mailings.worker import Clock
from tests.mail_server import FROM, MailServer
from tests.mailings.posting import run, subscribe
from tests.makers import make_letter
from tests.threads import at_once, no_errors

pytestmark = pytest.mark.django_db
# who delivers gives his connection back, and threads see only what was committed
commits = pytest.mark.django_db(transaction=True)
MOSCOW, EIGHT = "Europe/Moscow", time(8)
DAY = date(2026, 3, 10)
NINE = datetime(2026, 3, 11, 6, tzinfo=UTC)  # of the next morning, there
MIDNIGHT = report.begins_at(DAY + 2 * report.A_DAY, MOSCOW)


@pytest.fixture
def at_nine() -> Iterator[None]:
    """The database's clock shows nine in the morning of the day after."""
    clock.pretend(NINE - datetime.now(UTC))
    yield
    clock.forget()


# -- posting -----------------------------------------------------------------------------------------------


@commits
@pytest.mark.usefixtures("at_nine")
def test_everybody_who_chose_it_gets_the_report_once_in_his_language(served: MailServer) -> None:
    subscribe("anna@example.com")
    subscribe("boris@example.com", language="ru")
    people.invite(SERVICE, "nobody@example.com", Role.ADMINISTRATOR)

    first, again = run(), run()

    assert first == again == [("anna@example.com", "sent"), ("boris@example.com", "sent")]
    assert sorted(to for to, _ in served.taken) == ["anna@example.com", "boris@example.com"]
    subjects = {to: str(letter["Subject"]) for to, letter in served.letters}
    assert subjects["anna@example.com"] == "Vestnik, 10 March: nothing was sent"
    assert subjects["boris@example.com"] == "Вестник, 10 марта: ничего не отправлено"
    entry = JournalEntry.objects.get(verb="send")
    assert (entry.actor, entry.details) == ("vestnik", {"day": "2026-03-10", "letters": 2})


@pytest.mark.once
@commits
@pytest.mark.usefixtures("at_nine")
def test_a_letter_has_two_bodies_and_says_who_wrote_it(served: MailServer) -> None:
    subscribe("anna@example.com")
    run()

    [(_, letter)] = served.letters
    written = Letter.objects.get()
    assert (letter["From"], letter["To"]) == (FROM, "anna@example.com")
    assert letter["Message-ID"] == f"<report-2026-03-10-{written.pk}@127.0.0.1>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in letter.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    for part in list(letter.walk())[1:]:
        assert "http://127.0.0.1:8000/settings/report" in part.get_content()


def test_without_a_mail_server_the_day_is_written_and_nobody_is_written_to(settings: Settings) -> None:
    settings.MAIL_SERVER, settings.REPORT_AT, settings.REPORT_TIMEZONE = None, EIGHT, MOSCOW
    [anna] = subscribe("anna@example.com")

    letters.post_due(NINE)
    assert (Report.objects.get().day, Report.objects.get().posted_at) == (DAY, NINE)
    assert not Letter.objects.exists()
    assert not letters.is_due(NINE)
    with pytest.raises(Refused, match="EMAIL_URL"):
        letters.send(Actor(user=anna), DAY, to=anna.email, language="en")


def test_a_worker_that_comes_late_posts_until_midnight_and_not_after(served: MailServer) -> None:
    subscribe("anna@example.com")
    due = report.due_at(DAY, MOSCOW, EIGHT)

    assert not letters.is_due(due - timedelta(seconds=1))
    assert not letters.is_due(MIDNIGHT)
    assert letters.post_due(MIDNIGHT) == 0
    assert letters.is_due(MIDNIGHT - timedelta(seconds=1))
    assert letters.post_due(MIDNIGHT - timedelta(seconds=1)) == 1


def test_when_the_clock_goes_back_nothing_is_posted_again(served: MailServer) -> None:
    subscribe("anna@example.com")

    posted = [letters.post_due(NINE + timedelta(minutes=minutes)) for minutes in (0, 50, -30, 0, 120)]

    assert posted == [1, 0, 0, 0, 0]


def test_what_was_written_stays_as_it_was(served: MailServer) -> None:
    letters.post_due(NINE)
    kept = letters.read(DAY, NINE)

    assert letters.read(DAY, NINE + timedelta(days=5)) == kept
    assert kept.made_at == NINE
    with pytest.raises(letters.NotThere):
        letters.read(DAY + report.A_DAY, NINE)


def test_a_report_that_was_written_by_hand_before_its_time_stays_as_it_was(served: MailServer) -> None:
    subscribe("anna@example.com")
    early = report.begins_at(DAY + report.A_DAY, MOSCOW) + timedelta(minutes=5)
    clock.pretend(early - datetime.now(UTC))
    letters.send(SERVICE, DAY, to="boris@example.com", language="en")
    clock.forget()
    kept = letters.read(DAY, NINE)

    assert letters.post_due(NINE) == 1

    assert letters.read(DAY, NINE) == kept
    assert (Report.objects.get().made_at, Report.objects.get().posted_at) == (kept.made_at, NINE)


@commits
def test_one_worker_of_many_posts_the_day(served: MailServer) -> None:
    subscribe("anna@example.com", "boris@example.com")
    posted: list[int] = []

    no_errors(at_once(*[lambda: posted.append(letters.post_due(NINE))] * 4))

    assert sorted(posted) == [0, 0, 0, 2]
    assert Letter.objects.count() == 2
    assert JournalEntry.objects.filter(verb="send").count() == 1


@pytest.mark.once
@commits
def test_the_clock_rings_when_something_is_due(served: MailServer) -> None:
    make_letter(state=LetterState.QUEUED, ended_at=None)

    Clock().tick()

    assert any(task.name() == "letters" for task in OrmQ.objects.all())


# -- sending -----------------------------------------------------------------------------------------------


@pytest.fixture
def queued(served: MailServer) -> Letter:
    return make_letter(state=LetterState.QUEUED, ended_at=None)


def claim(now: datetime) -> letters.Claim:
    claimed = letters.claim(now)
    assert claimed is not None
    return claimed


def deliver(now: datetime) -> Handed:
    return letters.deliver(claim(now))


@commits
def test_a_letter_is_one_holder_s_at_a_time(queued: Letter) -> None:
    claims: list[letters.Claim | None] = []

    no_errors(at_once(*[lambda: claims.append(letters.claim(clock.now()))] * 4))

    assert sum(found is not None for found in claims) == 1
    queued.refresh_from_db()
    assert (queued.state, queued.attempts) == (LetterState.SENDING, 1)


def test_who_is_lost_before_the_text_left_leaves_a_letter_that_is_tried_again(queued: Letter) -> None:
    now = clock.now()
    lost = claim(now)

    letters.recover(now + letters.LEASE)

    assert not letters.note_leaving(lost, now + letters.LEASE)
    second = claim(now + letters.LEASE)
    assert letters.note_leaving(second, now + letters.LEASE)
    assert not letters.settle(lost, Handed(Fate.TAKEN), now + letters.LEASE)
    assert letters.settle(second, Handed(Fate.TAKEN), now + letters.LEASE)


def test_who_is_lost_after_the_text_left_leaves_it_unknown_and_nobody_repeats_it(queued: Letter) -> None:
    now = clock.now()
    lost = claim(now)
    assert letters.note_leaving(lost, now)

    letters.recover(now + letters.LEASE)
    queued.refresh_from_db()
    assert queued.state == LetterState.UNKNOWN
    assert letters.claim(now + letters.LEASE) is None
    # he was only slow: his word clears it up
    assert letters.settle(lost, Handed(Fate.TAKEN, "250 OK"), now + letters.LEASE)
    queued.refresh_from_db()
    assert queued.state == LetterState.SENT


def test_a_late_no_ends_an_unknown_letter_and_lets_no_machine_repeat_it(queued: Letter) -> None:
    """A person may have sent it again meanwhile."""
    now = clock.now()
    slow = claim(now)
    assert letters.note_leaving(slow, now)
    letters.recover(now + letters.LEASE)

    assert letters.settle(slow, Handed(Fate.AWAY, "451 Later"), now + letters.LEASE)

    queued.refresh_from_db()
    assert (queued.state, queued.ended_at, queued.detail) == (LetterState.FAILED, now + letters.LEASE, "451 Later")


def test_nobody_lets_a_text_leave_after_his_lease_has_passed(queued: Letter) -> None:
    now = clock.now()
    slow = claim(now)

    assert not letters.note_leaving(slow, now + letters.LEASE)


@pytest.mark.once
def test_a_server_that_is_away_is_tried_again_later_and_later_until_the_day_is_over(settings: Settings) -> None:
    settings.MAIL_SERVER, settings.EMAIL_FROM = Server("127.0.0.1", 1, Security.NONE), FROM
    settings.REPORT_AT, settings.REPORT_TIMEZONE = EIGHT, MOSCOW
    subscribe("anna@example.com")
    letters.post_due(NINE)
    now, waits = NINE, []

    while claimed := letters.claim(now):
        letters.settle(claimed, Handed(Fate.AWAY, "no connection"), now)
        claimed.letter.refresh_from_db()
        waits.append((claimed.letter.due_at - now) // timedelta(minutes=1))
        now = claimed.letter.due_at

    letters.recover(now)
    assert waits[:7] == [1, 2, 4, 8, 16, 30, 30]
    assert MIDNIGHT <= now < MIDNIGHT + timedelta(minutes=30)
    assert Letter.objects.get().state == LetterState.EXPIRED


@pytest.mark.once
@commits
@pytest.mark.usefixtures("at_nine")
@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({"to_rcpt": "550 No such user"}, LetterState.FAILED),
        ({"to_data": "451 Later"}, LetterState.QUEUED),
        ({"to_data": "nonsense"}, LetterState.UNKNOWN),
    ],
    ids=str,
)
def test_what_the_server_said_is_kept_with_the_letter(
    said: dict[str, str], state: LetterState, served: MailServer
) -> None:
    subscribe("anna@example.com")
    for command, answer in said.items():
        setattr(served, command, answer)

    assert run() == [("anna@example.com", state)]
    assert Letter.objects.get().detail


@pytest.mark.once
@commits
def test_a_log_line_of_a_letter_tells_nobody_s_address(
    served: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    subscribe("anna@example.com")
    served.to_rcpt = "550 <anna@example.com>: no such user"
    letters.post_due(NINE)

    deliver(NINE)

    [line] = [record.msg for record in caplog.records if "'letter'" in str(record.msg)]
    assert line["detail"] == "550 <•••@example.com>: no such user"  # type: ignore[index]  # a structlog event
    assert Letter.objects.get().detail == served.to_rcpt


@pytest.mark.once
@commits
@pytest.mark.usefixtures("at_nine")
def test_a_domain_of_other_letters_is_written_to_in_its_form_for_mail_servers(
    served: MailServer, settings: Settings
) -> None:
    settings.EMAIL_FROM = "Вестник <vestnik@почта.рф>"
    subscribe("anna@почта.рф")
    letters.post_due(NINE)

    assert deliver(NINE).fate is Fate.TAKEN

    [(to, letter)] = served.letters
    assert (to, letter["To"]) == ("anna@xn--80a1acny.xn--p1ai", "anna@xn--80a1acny.xn--p1ai")
    assert letter["From"] == "Вестник <vestnik@xn--80a1acny.xn--p1ai>"


@pytest.mark.once
@commits
def test_an_address_that_no_server_takes_keeps_no_other_letter_from_its_turn(served: MailServer) -> None:
    make_letter("анна@example.com", state=LetterState.QUEUED, ended_at=None)

    handed = deliver(clock.now())

    assert (handed.fate, Letter.objects.get().state) == (Fate.REFUSED, LetterState.FAILED)


def test_a_removed_person_gets_nothing_any_more(served: MailServer) -> None:
    people.invite(SERVICE, "root@example.com", Role.ADMINISTRATOR)
    anna, _boris = subscribe("anna@example.com", "boris@example.com")
    letters.post_due(NINE)
    people.remove(SERVICE, anna.pk)

    letters.recover(NINE)

    assert dict(Letter.objects.values_list("address", "state")) == {
        "anna@example.com": LetterState.FAILED,
        "boris@example.com": LetterState.QUEUED,
    }
    assert [one.user.email for one in letters.subscribers()] == ["boris@example.com"]
