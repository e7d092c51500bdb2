import asyncio
import os
import signal

import pytest

from agentworld_dag.exit_codes import RESUME_ME
from agentworld_dag.stopping import Stopped, StopRequest


def ask() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_request_ends_a_stage_with_the_code_that_says_resume_me() -> None:
    with pytest.raises(Stopped) as stopped, StopRequest().heeded():
        ask()
    assert stopped.value.code == RESUME_ME and stopped.value.words == "asked to stop"


def test_no_task_of_asyncio_keeps_it_to_itself() -> None:
    async def asked() -> None:
        ask()
        await asyncio.sleep(60)

    async def work() -> None:
        await asyncio.gather(asked(), asyncio.sleep(60), return_exceptions=True)

    with pytest.raises(Stopped), StopRequest().heeded():
        asyncio.run(work())


def test_work_that_puts_it_off_says_itself_when_it_ends() -> None:
    request = StopRequest()
    with pytest.raises(Stopped, match="75") as stopped, request.heeded():
        with request.put_off():
            assert not request.asked
            for _ in range(2):
                ask()
            assert request.asked
        request.obey("kept step 3")
    assert stopped.value.words == "kept step 3"


def test_while_a_stage_that_obeys_cleans_up_it_is_deaf() -> None:
    cleaned = []
    with pytest.raises(Stopped), StopRequest().heeded():
        try:
            ask()
        finally:
            ask()
            cleaned.append(True)
    assert cleaned


def test_afterwards_the_signal_means_what_it_did() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped), StopRequest().heeded():
        ask()
    assert signal.getsignal(signal.SIGTERM) == before
