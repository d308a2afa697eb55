"""How long a sign-in lasts: 8 hours without a request, 24 hours in any case.

The person himself is read from the database at every request: one who was removed is a stranger at once.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse

from accounts.models import User

IDLE = timedelta(hours=8)
WHOLE = timedelta(hours=24)
NOTED_EVERY = timedelta(minutes=1)  # a page that polls must not write with every request
SIGNED_IN, SEEN = "signed_in_at", "seen_at"  # in the session, in seconds since 1970
BY_PASSWORD = "by_password"  # in the session of one who came so; a provider makes an end of it
BY_ITSELF = "X-Poll"  # said by our script when a page asks without anybody there


def begin(sender: type[User], request: HttpRequest, **signal: Any) -> None:
    """Whenever somebody has signed in, however: the session knows when."""
    request.session[SIGNED_IN] = request.session[SEEN] = int(time.time())


def is_over(session: SessionBase, now: float) -> bool:
    """Also of a session that does not know when it began."""
    if settings.OIDC and session.get(BY_PASSWORD):
        return True
    signed_in, seen = session.get(SIGNED_IN, 0), session.get(SEEN, 0)
    return bool(now - signed_in >= WHOLE.total_seconds() or now - seen >= IDLE.total_seconds())


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Ends the session whose time is over; of the others notes once a minute that they are used."""

    def answer(request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            now = time.time()
            if is_over(request.session, now):
                logout(request)
            elif now - request.session[SEEN] >= NOTED_EVERY.total_seconds() and BY_ITSELF not in request.headers:
                request.session[SEEN] = int(now)
                UserSession.objects.create_from_request(request)
        return get_response(request)

    return answer


def forget(now: datetime) -> None:
    """Deletes the sessions whose time is over, and with them what they held for the way out of the provider."""
    Session.objects.filter(expire_date__lt=now).delete()
    living = Session.objects.filter(session_key=OuterRef("session_key"))
    UserSession.objects.filter(~Exists(living), last_seen_at__lt=now - IDLE).delete()
