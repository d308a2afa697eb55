"""The daily report as a letter. Its look is in the letter itself: mail programs load nothing."""

from email.message import EmailMessage
from email.policy import SMTP

from django.template.loader import render_to_string
from django.utils import translation

from dashboard import story
from mailings.letters import Drawn
from mailings.report import Day


def draw(day: Day, language: str) -> Drawn:
    """The letter in this language."""
    with translation.override(language):
        told = story.tell(day)
        context = {"story": told, "lines": story.states_told(told.lines)}
        return Drawn(
            subject=told.subject,
            text=render_to_string("email/report.txt", context),
            html=render_to_string("email/report.html", context),
        )


def as_file(day: Day, language: str) -> bytes:
    """The letter without an address, for a reader's own mail program."""
    drawn = draw(day, language)
    message = EmailMessage(policy=SMTP)
    message["Subject"] = drawn.subject
    message.set_content(drawn.text, cte="quoted-printable")
    message.add_alternative(drawn.html, subtype="html", cte="quoted-printable")
    return message.as_bytes()
