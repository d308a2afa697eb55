"""What django-q2 calls, and the flag by which its processes are told to stop."""

import itertools
import multiprocessing
import threading
from multiprocessing.connection import Connection

from mailings.tasks import Flag


def look(flag: Flag, at_it: Connection) -> None:
    for times in itertools.count():
        if times == 100:
            at_it.send("I look")
        if flag.is_set():
            return


def start_looking(flag: Flag) -> multiprocessing.process.BaseProcess:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=look, args=(flag, there), daemon=True)
    process.start()
    here.recv()
    return process


def test_a_process_killed_while_it_looks_at_the_flag_holds_nobody_up() -> None:
    flag = Flag()
    for _ in range(5):
        process = start_looking(flag)
        process.kill()
        process.join()

    setter = threading.Thread(target=flag.set, daemon=True)
    setter.start()
    setter.join(5)

    assert not setter.is_alive()
    assert flag.is_set()


def test_a_process_forked_before_sees_the_flag_set() -> None:
    flag = Flag()
    process = start_looking(flag)

    flag.set()
    process.join(5)

    assert process.exitcode == 0
