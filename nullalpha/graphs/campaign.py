"""The campaign: generations of designed, computed and judged strategies, then one look at validation, then a report.

recall -> design -> compile --(open slots)--> design
                       `--> train -> [fan out: cycle] -> learn --(trials left)--> design
                                                           `--> validate -> deflate -> remember -> conclude
"""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from nullalpha.graphs import computing, concluding, designing, learning
from nullalpha.graphs.context import ResearchContext
from nullalpha.graphs.cycle import build_cycle


def keep_last(_old: list[str], new: list[str]) -> list[str]:
    """Reduce parallel cycles' outputs to the latest: the ledger holds the truth, the state only needs to accept them."""
    return new


class CampaignState(TypedDict):
    """Ids and counters only; JSON primitives."""

    campaign_id: str
    generation: int
    attempt: int
    open_slots: list[int]
    chosen: list[str]
    assessed: Annotated[list[str], keep_last]


Step = dict[str, Any]


def initial_state(context: ResearchContext) -> CampaignState:
    """Return the state in which a campaign begins."""
    slots = list(range(min(context.protocol.generation_size, context.config.trials)))
    return {"campaign_id": context.campaign.id, "generation": 0, "attempt": 0, "open_slots": slots, "chosen": [], "assessed": []}


def _recall(state: CampaignState, runtime: Runtime[ResearchContext]) -> Step:
    runtime.context.check()
    designing.recall(runtime.context)
    return {}


def _design(state: CampaignState, runtime: Runtime[ResearchContext]) -> Step:
    runtime.context.check()
    _stage(runtime.context, "design", state)
    designing.design(runtime.context, state["generation"], state["attempt"], len(state["open_slots"]))
    return {}


def _compile(state: CampaignState, runtime: Runtime[ResearchContext]) -> Step:
    made, still_open = designing.compile_proposals(runtime.context, state["generation"], state["attempt"], state["open_slots"])
    return {"chosen": state["chosen"] + made, "open_slots": still_open, "attempt": state["attempt"] + 1}


def _after_compile(state: CampaignState) -> str:
    if state["open_slots"] and state["attempt"] < designing.MAX_ATTEMPTS:
        return "design"
    return "train" if state["chosen"] else "validate"


def _train(state: CampaignState, runtime: Runtime[ResearchContext]) -> Step:
    runtime.context.check()
    _stage(runtime.context, "train", state)
    computing.compute_generation(runtime.context, state["chosen"])
    _stage(runtime.context, "judge", state)
    return {}


def _fan_out(state: CampaignState) -> list[Send]:
    return [Send("cycle", {"experiment_id": i}) for i in state["chosen"]]


def _learn(state: CampaignState, runtime: Runtime[ResearchContext]) -> Step:
    context = runtime.context
    learning.learn_generation(context, state["generation"])
    trials = sum(1 for row in context.stores.experiments.of_campaign(context.campaign.id) if row.fingerprint)
    left = 0 if context.out_of_time() else context.config.trials - trials
    slots = list(range(min(context.protocol.generation_size, max(0, left))))
    return {"generation": state["generation"] + 1, "attempt": 0, "open_slots": slots, "chosen": []}


def _after_learn(state: CampaignState) -> str:
    return "design" if state["open_slots"] else "validate"


def _validate(state: CampaignState, runtime: Runtime[ResearchContext]) -> Step:
    runtime.context.check()
    _stage(runtime.context, "validate", state)
    concluding.validate(runtime.context)
    return {}


def _deflate(state: CampaignState, runtime: Runtime[ResearchContext]) -> Step:
    concluding.deflate(runtime.context)
    return {}


def _remember(state: CampaignState, runtime: Runtime[ResearchContext]) -> Step:
    _stage(runtime.context, "remember", state)
    concluding.remember(runtime.context)
    return {}


def _conclude(state: CampaignState, runtime: Runtime[ResearchContext]) -> Step:
    _stage(runtime.context, "report", state)
    concluding.conclude(runtime.context)
    return {}


def _stage(context: ResearchContext, stage: str, state: CampaignState) -> None:
    context.emit("stage", {"stage": stage, "generation": state["generation"], "attempt": state["attempt"]})


def build_campaign() -> StateGraph[CampaignState, ResearchContext]:
    """Return the campaign's graph, to be compiled with a checkpointer."""
    graph: StateGraph[CampaignState, ResearchContext] = StateGraph(CampaignState, context_schema=ResearchContext)
    graph.add_node("recall", _recall)
    graph.add_node("design", _design)
    graph.add_node("compile", _compile)
    graph.add_node("train", _train)
    graph.add_node("cycle", build_cycle())
    graph.add_node("learn", _learn)
    graph.add_node("validate", _validate)
    graph.add_node("deflate", _deflate)
    graph.add_node("remember", _remember)
    graph.add_node("conclude", _conclude)
    graph.add_edge(START, "recall")
    graph.add_edge("recall", "design")
    graph.add_edge("design", "compile")
    graph.add_conditional_edges("compile", _after_compile, ["design", "train", "validate"])
    graph.add_conditional_edges("train", _fan_out, ["cycle"])
    graph.add_edge("cycle", "learn")
    graph.add_conditional_edges("learn", _after_learn, ["design", "validate"])
    graph.add_edge("validate", "deflate")
    graph.add_edge("deflate", "remember")
    graph.add_edge("remember", "conclude")
    graph.add_edge("conclude", END)
    return graph
