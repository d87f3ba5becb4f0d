"""Markets made by recipe and seed: without an edge, made of real bars, or with an edge of a stated size."""

from nullalpha.data.synthetic.kinds import KINDS, Kind, Option
from nullalpha.data.synthetic.market import SyntheticMarket, Truth, Venue
from nullalpha.data.synthetic.synthesise import synthesise

__all__ = ["KINDS", "Kind", "Option", "SyntheticMarket", "Truth", "Venue", "synthesise"]
