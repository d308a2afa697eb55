from django.apps import AppConfig


class MailingsConfig(AppConfig):
    name = "mailings"

    def ready(self) -> None:
        from clients import signals
        from mailings import clock, operations, queue

        signals.stopped.connect(
            lambda client_ids, reason, **_: operations.stop_clients(client_ids, reason),
            weak=False,
            dispatch_uid="stop what is not yet sent",
        )
        signals.moved.connect(
            lambda client_ids, **_: queue.move_zones(client_ids, now=clock.now()),
            weak=False,
            dispatch_uid="follow the clients into their zones",
        )
