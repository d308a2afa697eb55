"""Deciding about messages that may have been sent, and writing to the rest, through the console."""

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts.journal import SERVICE
from dashboard.views import verbs
from dashboard.views.decisions import DECISIONS
from mailings import audience, clock, operations, queue, tally
from mailings.gateway import Cause
from mailings.models import Mailing, MailingState, Message, PauseReason
from mailings.policy import Decision, Reason, State, Verdict
from tests.makers import make_jobs, make_outcome, make_running_mailing, make_settlements

pytestmark = pytest.mark.django_db


def make_held(number: int, *, waiting: int = 0) -> Mailing:
    """A running mailing that holds so many of its messages."""
    mailing = make_running_mailing(clients=number + waiting, on_unknown="hold", name="Autumn")
    jobs = make_jobs(mailing, number)
    held = Verdict(State.UNKNOWN, Reason.NO_ANSWER)
    queue.settle(make_settlements(jobs, held, make_outcome(Cause.NO_ANSWER)), now=clock.now())
    return mailing


def read(browser: Browser, name: str, pk: int, **query: Any) -> str:
    answer = browser.get(reverse(name, args=[pk]), query)
    assert answer.status_code == 200
    return answer.content.decode()


def decide(browser: Browser, mailing: Mailing, **said: object) -> str:
    answer = browser.post(reverse("mailing_unknown", args=[mailing.pk]), said, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def states(mailing: Mailing) -> list[str]:
    return sorted(mailing.messages.values_list("state", flat=True))


# -- the incident --------------------------------------------------------------------------------------


def test_the_page_of_a_mailing_says_what_may_have_been_sent_and_why(operator: Browser) -> None:
    mailing = make_held(2, waiting=1)

    page = read(operator, "mailing", mailing.pk)

    assert "2 messages may have been sent" in page
    assert "No clear answer from the gateway, held for a decision" in page
    for decision in ("resend", "sent", "failed"):
        assert f"{reverse('mailing_unknown', args=[mailing.pk])}?decision={decision}" in page


def test_a_viewer_reads_it_and_is_offered_nothing(viewer: Browser) -> None:
    mailing = make_held(1)

    page = read(viewer, "mailing", mailing.pk)

    assert "1 message may have been sent" in page
    assert reverse("mailing_unknown", args=[mailing.pk]) not in page
    assert viewer.post(reverse("mailing_unknown", args=[mailing.pk]), {"decision": "sent"}).status_code == 403
    assert states(mailing) == [State.UNKNOWN]


def test_a_mailing_in_which_nothing_is_in_doubt_asks_nothing(operator: Browser) -> None:
    mailing = make_running_mailing(clients=1)

    assert "may have been sent" not in read(operator, "mailing", mailing.pk)
    assert "Nothing to decide" in read(operator, "mailing_unknown", mailing.pk)


# -- deciding ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "said", "state"),
    [
        ("resend", "2 messages are sent again", State.QUEUED),
        ("sent", "2 messages count as sent now", State.SENT),
        ("failed", "2 messages count as failed now", State.FAILED),
    ],
)
def test_all_unknown_messages_are_decided_about(decision: str, said: str, state: State, operator: Browser) -> None:
    mailing = make_held(2)
    page = read(operator, "mailing_unknown", mailing.pk, decision=decision)
    assert (
        f'value="{decision}" id="decision-{decision}" aria-describedby="hint-{decision}" required checked' in page
    )
    assert "Decide about 2 messages" in page
    assert states(mailing) == [State.UNKNOWN, State.UNKNOWN]

    after = decide(operator, mailing, decision=decision)

    assert said in after
    assert states(mailing) == [state, state]


def test_ticked_recipients_are_decided_about_and_the_others_stay(operator: Browser) -> None:
    mailing = make_held(3)
    first, second, third = mailing.messages.order_by("id").values_list("id", flat=True)
    ticks = read(operator, "mailing_recipients", mailing.pk, state="unknown")
    assert ticks.count('type="checkbox" name="message"') == 3
    review = read(operator, "mailing_unknown", mailing.pk, message=[first, third])
    assert "You chose 2 messages." in review
    assert f'<input type="hidden" name="message" value="{third}">' in review

    decide(operator, mailing, decision="sent", message=[first, third])

    assert states(mailing) == [State.SENT, State.SENT, State.UNKNOWN]
    assert Message.objects.get(pk=second).state == State.UNKNOWN


def test_boxes_to_tick_are_there_only_for_those_who_may_decide(viewer: Browser, operator: Browser) -> None:
    mailing = make_held(1)

    assert 'type="checkbox"' not in read(viewer, "mailing_recipients", mailing.pk, state="unknown")
    assert 'type="checkbox"' not in read(operator, "mailing_recipients", mailing.pk)


def test_one_message_is_decided_about_from_its_own_page(operator: Browser, viewer: Browser) -> None:
    mailing = make_held(2)
    message = mailing.messages.earliest("id")
    address = f"{reverse('mailing_unknown', args=[mailing.pk])}?message={message.pk}&amp;decision=failed"

    assert address in read(operator, "message", message.pk)
    assert address not in read(viewer, "message", message.pk)
    page = decide(operator, mailing, decision="failed", message=message.pk)

    assert "1 message counts as failed now" in page
    assert "No clear answer; a person counts it as failed" in read(operator, "message", message.pk)


def test_whom_somebody_else_decided_about_is_told(operator: Browser) -> None:
    mailing = make_held(2)
    first, second = mailing.messages.order_by("id").values_list("id", flat=True)
    decide(operator, mailing, decision="sent", message=first)

    page = decide(operator, mailing, decision="failed", message=[first, second])

    assert "1 message counts as failed now; 1 was decided about before" in page


def test_without_a_decision_nothing_happens_and_the_choice_stays(operator: Browser) -> None:
    mailing = make_held(2)
    first = mailing.messages.earliest("id").pk

    page = decide(operator, mailing, message=first)

    assert "Say what becomes of the messages" in page
    assert "You chose 1 message." in page
    assert states(mailing) == [State.UNKNOWN, State.UNKNOWN]


@pytest.mark.parametrize("message", ["-1", "٣", "x", "\x00", "9" * 40])
def test_hostile_ids_are_not_messages(message: str, operator: Browser) -> None:
    mailing = make_held(1)

    assert operator.get(reverse("mailing_unknown", args=[mailing.pk]), {"message": message}).status_code == 200


def test_a_mailing_that_is_over_offers_no_sending_and_says_what_to_do(operator: Browser) -> None:
    mailing = make_held(1)
    operations.cancel(SERVICE, mailing.pk)

    page = read(operator, "mailing_unknown", mailing.pk)
    refused = decide(operator, mailing, decision="resend")

    assert "required disabled" in page
    assert "duplicate it for those who did not get it" in page
    assert "The mailing sends nothing more" in refused
    assert states(mailing) == [State.UNKNOWN]


def test_above_ten_thousand_the_number_is_typed(operator: Browser) -> None:
    mailing = make_held(1)
    now, many = clock.now(), verbs.TYPED_ABOVE
    row = {"operator_code": "900", "timezone": "UTC", "due_at": now, "created_at": now}
    Message.objects.bulk_create(
        [Message(mailing=mailing, state="unknown", reason="no_answer", **row) for _ in range(many)],
        batch_size=1_000,
    )
    changes = tally.Changes()
    changes.come((mailing.pk, State.UNKNOWN, Reason.NO_ANSWER), *[("900", "", "UTC")] * many)
    tally.add(changes, now)

    assert "Type 10,001 to confirm" in read(operator, "mailing_unknown", mailing.pk)
    refused = decide(operator, mailing, decision="sent", typed="10000", shown="10001")
    assert "the number you typed is not the one that was shown" in refused
    assert mailing.messages.filter(state=State.UNKNOWN).count() == many + 1

    decide(operator, mailing, decision="sent", typed="10 001", shown="10001")
    while operations.carry_on_errands(clock.now()):
        pass
    assert mailing.messages.filter(state=State.SENT).count() == many + 1
    assert tally.differences() == []


# -- the rest ------------------------------------------------------------------------------------------


def test_the_rest_of_a_mailing_is_duplicated_from_its_page(operator: Browser) -> None:
    mailing = make_held(1, waiting=2)
    assert "not sent</button>" not in read(operator, "mailing", mailing.pk)
    operations.cancel(SERVICE, mailing.pk)

    page = read(operator, "mailing", mailing.pk)
    answer = operator.post(reverse("mailing_duplicate", args=[mailing.pk]), {"only": "not_sent"})

    copy = Mailing.objects.exclude(pk=mailing.pk).get()
    assert "Duplicate for the 2 not sent" in page
    assert answer["Location"] == reverse("mailing_edit", args=[copy.pk])
    assert (copy.rest_of_id, copy.state) == (mailing.pk, MailingState.DRAFT)
    edit = read(operator, "mailing_edit", copy.pk)
    assert "All who did not get that mailing" in edit
    assert '<p class="big-number" aria-live="polite">2</p>' in edit
    assert "Those who did not get" in read(operator, "mailing", copy.pk)
    assert f"Rest of № {mailing.pk}" in operator.get(reverse("mailings")).content.decode()
    assert (
        "Launch for 2 clients"
        in operator.get(reverse("mailing_review", args=[copy.pk, "launch"])).content.decode()
    )


def test_the_audience_of_the_rest_is_counted_while_it_is_narrowed(operator: Browser) -> None:
    mailing = make_running_mailing(clients=2)
    operations.cancel(SERVICE, mailing.pk)
    counted = reverse("mailing_audience")

    whole = operator.get(counted, {"audience": "everyone", "rest_of": str(mailing.pk)}).content.decode()
    none = operator.get(counted, {"audience": "chosen", "tags": "x", "rest_of": str(mailing.pk)}).content.decode()
    nonsense = operator.get(counted, {"audience": "everyone", "rest_of": "٣"})

    assert ">2</p>" in whole
    assert ">0</p>" in none
    assert nonsense.status_code == 200


def test_saving_the_form_does_not_change_whose_rest_it_is(operator: Browser) -> None:
    mailing, other = make_running_mailing(clients=1), make_running_mailing()
    operations.cancel(SERVICE, mailing.pk)
    copy = operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)
    form = {"text": "Once more", "audience": "everyone", "begin": "now", "ends_at": "2090-01-01T00:00"}

    operator.post(reverse("mailing_edit", args=[copy.pk]), form | {"on_unknown": "hold", "rest_of": str(other.pk)})

    saved = Mailing.objects.get(pk=copy.pk)
    assert (saved.text, saved.rest_of_id) == ("Once more", mailing.pk)
    operator.post(reverse("mailing_launch", args=[copy.pk]))
    audience.materialise(copy.pk, now=clock.now())
    assert saved.messages.count() == 1


def test_a_duplicate_for_the_rest_that_is_refused_says_why(operator: Browser) -> None:
    mailing = make_running_mailing(clients=1)

    answer = operator.post(reverse("mailing_duplicate", args=[mailing.pk]), {"only": "not_sent"}, follow=True)

    assert "The mailing is not over" in answer.content.decode()
    assert Mailing.objects.count() == 1


# -- a mailing that paused itself ----------------------------------------------------------------------


def test_a_mailing_that_paused_itself_says_why(operator: Browser) -> None:
    mailing = make_running_mailing(clients=1)
    operations.pause(SERVICE, mailing.pk)
    by_hand = read(operator, "mailing", mailing.pk)
    Mailing.objects.update(pause_reason=PauseReason.REFUSED)

    by_itself = read(operator, "mailing", mailing.pk)

    assert "It is paused: nothing new goes out" in by_hand
    assert "It paused itself: the gateway refused too many of its last 50 messages." in by_itself


def test_every_decision_of_a_person_is_offered() -> None:
    assert {*DECISIONS, Decision.RETRY} == set(Decision)
