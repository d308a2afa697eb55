"""What the outcome of an attempt is called for a person. (States and reasons have their words in the models.)"""

from django.utils.translation import gettext_lazy as _

from mailings.gateway import Cause, Kind

OUTCOMES = {
    Kind.SENT: _("accepted"),
    Kind.NOT_SENT: _("not sent"),
    Kind.REFUSED: _("refused"),
    Kind.UNKNOWN: _("no clear answer"),
}

TONES = {Kind.SENT: "sent", Kind.NOT_SENT: "queued", Kind.REFUSED: "failed", Kind.UNKNOWN: "unknown"}

CAUSES = {
    Cause.ACCEPTED: _("The gateway accepted it"),
    Cause.NO_CONNECTION: _("There was no connection to the gateway"),
    Cause.NOT_BEGUN: _("The request was not begun"),
    Cause.THROTTLED: _("The gateway asked to slow down"),
    Cause.UNAUTHORISED: _("The gateway refused our token"),
    Cause.REFUSED: _("The gateway refused the message"),
    Cause.NO_ANSWER: _("No answer came in time"),
    Cause.CONNECTION_LOST: _("The connection broke before the answer"),
    Cause.SERVER_ERROR: _("The gateway reported an error of its own"),
    Cause.OFF_CONTRACT: _("The answer was not what was agreed"),
    Cause.REDIRECT: _("The gateway pointed elsewhere, which is not followed"),
    Cause.WORKER_LOST: _("The worker stopped in mid-request"),
    Cause.BUG: _("An error in this service; it is in the log"),
}
