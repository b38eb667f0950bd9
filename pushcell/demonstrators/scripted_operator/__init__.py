"""The scripted operator: a demonstrator that turns the slider first, then moves it."""

from pushcell.demonstrators.scripted_operator.memoryless import MemorylessExpert
from pushcell.demonstrators.scripted_operator.scripted_operator import ScriptedOperator
from pushcell.demonstrators.scripted_operator.settings import ScriptedOperatorSettings

__all__ = ["MemorylessExpert", "ScriptedOperator", "ScriptedOperatorSettings"]
