"""The cycle of one experiment: attack, evidence, assess. A rejected experiment is assessed like any other: failures teach."""

from __future__ import annotations

from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from nullalpha.graphs import judging
from nullalpha.graphs.context import ResearchContext


class CycleState(TypedDict):
    experiment_id: str


class CycleOutput(TypedDict):
    assessed: list[str]


def _attack(state: CycleState, runtime: Runtime[ResearchContext]) -> dict[str, Any]:
    runtime.context.check()
    judging.attack(runtime.context, state["experiment_id"])
    return {}


def _evidence(state: CycleState, runtime: Runtime[ResearchContext]) -> dict[str, Any]:
    runtime.context.check()
    judging.evidence(runtime.context, state["experiment_id"])
    return {}


def _assess(state: CycleState, runtime: Runtime[ResearchContext]) -> dict[str, Any]:
    judging.assess(runtime.context, state["experiment_id"])
    return {"assessed": [state["experiment_id"]]}


def build_cycle() -> Any:
    """Return the compiled graph of one experiment."""
    graph = StateGraph(CycleState, context_schema=ResearchContext, output_schema=CycleOutput)
    graph.add_node("attack", _attack)
    graph.add_node("evidence", _evidence)
    graph.add_node("assess", _assess)
    graph.add_edge(START, "attack")
    graph.add_edge("attack", "evidence")
    graph.add_edge("evidence", "assess")
    graph.add_edge("assess", END)
    return graph.compile()
