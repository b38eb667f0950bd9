"""A guarded arm of seven joints and one of six."""

import pytest
import yaml

from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.cell import CellConfig, cell_from_dict
from pushcell.shipped import CELLS
from tests.conftest import SIM_CELL
from tests.drivers.guarded_arm.rig import Rig


@pytest.fixture(scope="module", params=["sim", "ur5e_sim"])
def cell(request) -> CellConfig:
    """An arm whose external torques are watched, so that every fault can strike it."""
    path = CELLS.find(request.param)
    values = yaml.safe_load(path.read_text())
    if request.param == "ur5e_sim":
        watched = yaml.safe_load(SIM_CELL.read_text())["arm"]["link"]
        watched["external_torque_limits_nm"] = [30.0, 30.0, 15.0, 6.0, 6.0, 3.0]
        values["arm"]["link"] = watched
    return cell_from_dict(values, str(path), path.parent)


@pytest.fixture(scope="module")
def kinematics(cell):
    return ArmKinematics(cell)


@pytest.fixture
def rig(cell, kinematics):
    return Rig(cell, kinematics)
