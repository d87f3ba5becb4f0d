"""The call to a model on a real llama.cpp server with a tiny random model: plumbing, not quality."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ConfigDict, Field

from nullalpha.llm.calls import CallRecord
from nullalpha.llm.client import complete
from nullalpha.llm.endpoint import ModelEndpoint
from tests.support.tiny_model import TinyModel, tiny_model_server


class Choice(BaseModel):
    model_config = ConfigDict(extra="forbid")
    period: int = Field(ge=2, le=250)
    reason: str = Field(min_length=1, max_length=40)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyModel]:
    with tiny_model_server(tmp_path_factory.mktemp("tiny")) as model:
        yield model


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])
def test_a_real_server_gives_a_valid_answer_and_the_same_one_for_the_same_seed(tiny: TinyModel, provider: str) -> None:
    endpoint = ModelEndpoint(f"{provider}/tiny", tiny.api_base, deadline_seconds=60.0, backoff_seconds=0.05)
    records: list[CallRecord] = []
    answers = [complete("Choose.", Choice, endpoint=endpoint, seed=seed, record=records.append).value for seed in (1, 1, 2)]
    assert answers[0] == answers[1] != answers[2]
    assert all(record.completion_tokens and record.prompt_tokens for record in records)
