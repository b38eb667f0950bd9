"""An operator-like demonstrator: orients first, then translates, and corrects by eye."""

from pushcell.demonstrators.operator.memoryless import SteadyOperator
from pushcell.demonstrators.operator.operator import Operator
from pushcell.demonstrators.operator.settings import OperatorSettings

__all__ = ["Operator", "OperatorSettings", "SteadyOperator"]
