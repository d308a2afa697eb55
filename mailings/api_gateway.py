"""The gateway as JSON: how it is used, and the verbs of those who look after it."""

from ninja import Router

from accounts.roles import Role
from config.wire import ApiRequest, answers, needs
from mailings import clock, pace, vitals
from mailings.models import Gateway
from mailings.schemas_gateway import GatewayOut, Stop

router = Router(tags=["gateway"])
SILENTLY = Stop()


def shown(row: Gateway, request: ApiRequest) -> GatewayOut:
    return GatewayOut.of(row, vitals.take(clock.now()), request)


@router.get("", response=answers(200, GatewayOut, write=False), summary="Read the gateway's state")
def read_gateway(request: ApiRequest) -> GatewayOut:
    """Whether it is used now, why not, and what it answered in the last five minutes."""
    return shown(pace.current(clock.now()), request)


@router.post("/stop", response=answers(200, GatewayOut, 409, body=True), summary="Stop sending")
@needs(Role.ADMINISTRATOR)  # stopping concerns everybody's mailings
def stop_gateway(request: ApiRequest, body: Stop = SILENTLY) -> GatewayOut:
    """Of all mailings, until somebody resumes; what is in flight is recorded. The body may be left out.

    Needs an administrator. 409 when it is stopped already.
    """
    return shown(pace.stop(request.auth, reason=body.reason), request)


@router.post("/resume", response=answers(200, GatewayOut, 409), summary="Resume sending")
@needs(Role.ADMINISTRATOR)
def resume_gateway(request: ApiRequest) -> GatewayOut:
    """Whatever held it back, at first slowly. Needs an administrator. 409 when nothing holds the messages back."""
    return shown(pace.resume(request.auth), request)


@router.post("/check", response=answers(200, GatewayOut), summary="Check the gateway now")
def check_gateway(request: ApiRequest) -> GatewayOut:
    """A worker looks whether it is there and takes our token; read `check` a moment later. It sends no message."""
    return shown(pace.check(request.auth), request)
