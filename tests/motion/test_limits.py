"""Whatever is thrown at the guard, nothing beyond a limit comes out.

``make test`` throws some hundred sequences, ``pushcell bench adversary`` as many as there is time
for.
"""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pushcell.motion.guard import Source
from tests.conftest import SIM_CELL
from tests.motion.adversary import Adversary
from tests.motion.limits_checker import violations
from tests.motion.rig import PERIOD_S, Rig

ANYWHERE = st.floats(-0.3, 1.5)
BAD = st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e300, 0.0])
point = st.tuples(st.one_of(ANYWHERE, BAD), st.one_of(ANYWHERE, BAD))
near = st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05))

# (what, for how many ticks, detail)
act = st.one_of(
    st.tuples(
        st.just("way"), st.integers(5, 40), st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
    ),
    st.tuples(st.just("step"), st.integers(1, 20), point),
    st.tuples(st.just("noise"), st.integers(3, 20), st.integers(0, 2**31)),
    st.tuples(st.just("teleop"), st.integers(1, 30), near),
    st.tuples(st.just("teleop_step"), st.integers(1, 10), point),
    st.tuples(st.just("burst"), st.integers(1, 10), st.integers(0, 2**31)),
    st.tuples(st.just("old"), st.integers(1, 10), st.floats(-1.0, 5.0)),
    st.tuples(st.just("gap"), st.integers(1, 30), st.none()),
    st.tuples(st.just("select"), st.integers(1, 5), st.sampled_from(Source)),
    st.tuples(st.just("deadman"), st.integers(1, 25), st.booleans()),
    st.tuples(st.just("publishers"), st.integers(1, 3), st.integers(0, 3)),
    st.tuples(st.just("stop"), st.integers(1, 10), st.none()),
    st.tuples(st.just("no_arm"), st.integers(1, 15), st.none()),
    st.tuples(st.just("time_jump"), st.integers(1, 5), st.floats(-10, 10)),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(acts=st.lists(act, min_size=1, max_size=8))
def test_nothing_beyond_a_limit_comes_out(cell, kinematics, acts):
    adversary = Adversary(Rig(cell, kinematics, require_deadman=True))
    for what, ticks, detail in acts:
        adversary.do(what, ticks, detail)
    found = adversary.violations(SIM_CELL.read_text())
    assert not found, found


def test_the_checker_sees_violations(cell, kinematics):
    """It would be worth nothing if it could not fail."""
    rig = Rig(cell, kinematics).released()
    rig.drive_policy(1.0)
    tips = np.array(rig.tips)
    joints = np.repeat(rig.q[None], len(tips), axis=0)
    text = SIM_CELL.read_text()
    assert not violations(text, PERIOD_S, tips, joints)
    for scale, name in ((2.5, "speed"), (30, "workspace")):
        wild = tips[0] + scale * (tips - tips[0])
        assert any(name in found for found in violations(text, PERIOD_S, wild, joints))
    for size, name in ((5e-3, "jerk"), (5e-2, "acceleration [m")):
        jolted = tips.copy()
        jolted[50:] += [0.0, size * PERIOD_S]
        assert any(name in found for found in violations(text, PERIOD_S, jolted, joints))
    for size, name in (
        (0.03, "joint 3 velocity"),
        (0.006, "joint 3 acceleration"),
        (-4.0, "joint 3 position"),
    ):
        jumped = joints.copy()
        jumped[50:, 2] += size
        assert any(name in found for found in violations(text, PERIOD_S, tips, jumped))
