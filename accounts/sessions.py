"""A person's sessions: where he is signed in, and ending that from elsewhere.

Rows of allauth say by which device; a session lives as long as Django's own row does.
"""

from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts.journal import Actor, record
from accounts.models import User

DoesNotExist = UserSession.DoesNotExist


def of(user: User) -> QuerySet[Any]:
    """His living sessions, the one seen last first."""
    living = Session.objects.filter(session_key=OuterRef("session_key"), expire_date__gt=timezone.now())
    rows: QuerySet[Any] = UserSession.objects  # allauth has no types
    return rows.filter(Exists(living), user=user).order_by("-last_seen_at", "-id")


def end(actor: Actor, user: User, session_id: int) -> None:
    """Whoever uses it is signed out at once. Raises DoesNotExist when it is not one of his living sessions."""
    with transaction.atomic():
        session = of(user).select_for_update().get(pk=session_id)
        ended = {"address": session.ip, "device": session.user_agent}
        _end([session])
        record(actor, "end_session", user, ended=[ended])


def end_others(actor: Actor, user: User, own: str | None) -> int:
    """Ends all his sessions but the one with the key `own`; how many."""
    with transaction.atomic():
        others = list(of(user).select_for_update().exclude(session_key=own or ""))
        if others:
            ended = [{"address": session.ip, "device": session.user_agent} for session in others]
            _end(others)
            record(actor, "end_session", user, ended=ended)
    return len(others)


def end_all(user_id: int) -> int:
    """Ends every session of a person; how many. No journal of its own: it is part of removing him."""
    sessions = list(UserSession.objects.select_for_update().filter(user_id=user_id).order_by("id"))
    _end(sessions)
    return len(sessions)


def _end(sessions: list[Any]) -> None:
    Session.objects.filter(session_key__in=[session.session_key for session in sessions]).delete()
    UserSession.objects.filter(pk__in=[session.pk for session in sessions]).delete()
