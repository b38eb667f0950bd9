"""An operator-like demonstrator: orients first, then translates, and corrects by eye."""

from pushcell.simulation.operator.operator import Operator
from pushcell.simulation.operator.settings import OperatorSettings
from pushcell.simulation.operator.steady import SteadyOperator

__all__ = ["Operator", "OperatorSettings", "SteadyOperator"]
