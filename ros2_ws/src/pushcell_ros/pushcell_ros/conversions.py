"""Between the library's values and ROS messages: the only place that knows both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from builtin_interfaces.msg import Duration as DurationMsg
from builtin_interfaces.msg import Time as TimeMsg
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import (
    PoseStamped,
    PoseWithCovarianceStamped,
    Transform,
    TransformStamped,
)
from rclpy.duration import Duration
from rclpy.qos import QoSProfile
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import (
    JointTrajectory,
    JointTrajectoryPoint,
    MultiDOFJointTrajectory,
    MultiDOFJointTrajectoryPoint,
)

from pushcell.action_chunk import MOST_ACTIONS, ActionChunk
from pushcell.arm.frame_tree import ArmFrame
from pushcell.bags.messages import BASE_FRAME, optical_frame
from pushcell.bags.pixels import pixels_of
from pushcell.cameras.camera_model import Lens
from pushcell.geometry import Array, PlanarPose, Pose
from pushcell.node_states import MotionNodeState, read_motion_state

# Of a command's number.
_MOST_DIGITS = 18


def to_seconds(stamp: TimeMsg | DurationMsg) -> float:
    """A stamp or duration [s]."""
    return stamp.sec + stamp.nanosec * 1e-9


def to_nanoseconds(stamp: TimeMsg) -> int:
    """A stamp in whole nanoseconds since the clock's epoch."""
    return stamp.sec * 10**9 + stamp.nanosec


def to_time(nanoseconds: int) -> TimeMsg:
    """A stamp of whole nanoseconds since the clock's epoch."""
    return TimeMsg(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def to_stamp(seconds: float) -> TimeMsg:
    """A stamp of seconds since the clock's epoch."""
    return to_time(round(seconds * 1e9))


def to_duration(seconds: float) -> DurationMsg:
    """A duration; the nanoseconds are never negative."""
    nanoseconds = round(seconds * 1e9)
    return DurationMsg(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def pose_message(pose: Pose, stamp: TimeMsg) -> PoseStamped:
    """A pose in the base frame."""
    message = PoseStamped()
    message.header.stamp, message.header.frame_id = stamp, BASE_FRAME
    p, q = message.pose.position, message.pose.orientation
    p.x, p.y, p.z = (float(v) for v in pose.translation)
    q.x, q.y, q.z, q.w = (float(v) for v in pose.quaternion_xyzw)
    return message


def transform_message(frame: ArmFrame, stamp: TimeMsg) -> TransformStamped:
    """One frame of tf."""
    message = TransformStamped(child_frame_id=frame.child)
    message.header.stamp, message.header.frame_id = stamp, frame.parent
    t, q = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = (float(v) for v in frame.pose.translation)
    q.x, q.y, q.z, q.w = (float(v) for v in frame.pose.quaternion_xyzw)
    return message


def planar_estimate_message(
    pose: PlanarPose, covariance: Array, stamp: TimeMsg
) -> PoseWithCovarianceStamped:
    """A planar pose in the base frame with its covariance (3, 3) of x, y, theta."""
    message = PoseWithCovarianceStamped()
    stamped = pose_message(Pose.from_planar(pose), stamp)
    message.header, message.pose.pose = stamped.header, stamped.pose
    whole = np.zeros((6, 6))
    whole[np.ix_([0, 1, 5], [0, 1, 5])] = covariance
    message.pose.covariance = whole.ravel()
    return message


def to_pose(message: PoseStamped) -> Pose:
    """The pose in the base frame."""
    p, q = message.pose.position, message.pose.orientation
    return Pose.from_quaternion([p.x, p.y, p.z], [q.x, q.y, q.z, q.w])


def to_planar(message: PoseStamped) -> PlanarPose:
    """The pose's projection on the table: x, y and the heading of its x axis."""
    p, q = message.pose.position, message.pose.orientation
    heading = math.atan2(2 * (q.x * q.y + q.z * q.w), q.w**2 + q.x**2 - q.y**2 - q.z**2)
    return PlanarPose(p.x, p.y, heading)


def joint_message(
    stamp: TimeMsg,
    names: Sequence[str],
    position: Array,
    velocity: Array | None,
    effort: Array | None = None,
) -> JointState:
    """Joint positions [rad] and, where known, velocities [rad/s] and torques [Nm]."""
    message = JointState()
    message.header.stamp = stamp
    message.name = list(names)
    message.position = [float(v) for v in position]
    message.velocity = [] if velocity is None else [float(v) for v in velocity]
    message.effort = [] if effort is None else [float(v) for v in effort]
    return message


def command_message(
    stamp: TimeMsg,
    names: Sequence[str],
    position: Array,
    velocity: Array,
    sender: str,
    number: int,
) -> JointState:
    """A command of the joints; its sender, and which of its commands it is, are the frame_id."""
    message = joint_message(stamp, names, position, velocity)
    message.header.frame_id = f"{sender}/{number}"
    return message


def to_sender(message: JointState) -> tuple[str, int]:
    """Whose command it is, and its number; -1 where it has none."""
    sender, _, number = message.header.frame_id.rpartition("/")
    numbered = number.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS
    return sender, int(number) if numbered else -1


def positions_message(position: Array) -> Float64MultiArray:
    """What a forward position controller takes [rad]."""
    return Float64MultiArray(data=[float(v) for v in position])


def trajectory_message(
    joints: Sequence[str], position: Array, time_from_start_s: float
) -> JointTrajectory:
    """One point [rad] for a joint trajectory controller, to begin at once."""
    point = JointTrajectoryPoint(
        positions=[float(v) for v in position], time_from_start=to_duration(time_from_start_s)
    )
    return JointTrajectory(joint_names=list(joints), points=[point])


def scene_message(stamp: TimeMsg, names: Sequence[str], joints: Array, slider: Pose) -> JointState:
    """What a camera would see: arm joints (n,) and the slider's pose x y z qx qy qz qw."""
    message = JointState()
    message.header.stamp = stamp
    message.name = [*names, *(f"slider_{axis}" for axis in ("x", "y", "z"))]
    message.name += [f"slider_q{axis}" for axis in "xyzw"]
    position = np.concatenate([joints, slider.translation, slider.quaternion_xyzw])
    message.position = position.tolist()
    return message


def to_scene(message: JointState) -> tuple[Array, Pose]:
    """Arm joints (n,) and the slider's pose, which is the last seven numbers."""
    values = np.array(message.position)
    return values[:-7], Pose.from_quaternion(values[-7:-4], values[-4:])


def chunk_message(chunk: ActionChunk, capture: TimeMsg) -> MultiDOFJointTrajectory:
    """A chunk whose times are counted from its capture stamp."""
    message = MultiDOFJointTrajectory()
    message.header.stamp, message.header.frame_id = capture, BASE_FRAME
    message.joint_names = ["pusher_tip"]
    for time_s, (x, y) in zip(chunk.times_s, chunk.positions, strict=True):
        transform = Transform()
        transform.translation.x, transform.translation.y = float(x), float(y)
        message.points.append(
            MultiDOFJointTrajectoryPoint(
                transforms=[transform], time_from_start=to_duration(time_s - chunk.capture_s)
            )
        )
    return message


def to_chunk(message: MultiDOFJointTrajectory, capture_s: float) -> ActionChunk:
    """The chunk, its capture stamp already on the receiver's clock; ValueError if malformed."""
    if len(message.points) > MOST_ACTIONS:
        raise ValueError(f"{len(message.points)} actions in a chunk, allowed: {MOST_ACTIONS}")
    if any(len(point.transforms) != 1 for point in message.points):
        raise ValueError("every point of a chunk needs exactly one transform")
    times = [capture_s + to_seconds(point.time_from_start) for point in message.points]
    tips = [point.transforms[0].translation for point in message.points]
    positions = np.array([[tip.x, tip.y] for tip in tips]).reshape(-1, 2)
    return ActionChunk(capture_s, np.array(times), positions)


def image_message(image: np.ndarray, frame_id: str, stamp: TimeMsg) -> Image:
    """An RGB image (H, W, 3) uint8."""
    height, width, _ = image.shape
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.header.stamp, message.header.frame_id = stamp, frame_id
    # Assigning bytes would be checked one by one in Python; an array of 'B' is taken as it is.
    message.data.frombytes(np.ascontiguousarray(image).data)
    return message


def to_image(message: Image) -> np.ndarray:
    """(H, W, 3) uint8 RGB; ValueError for an encoding that `pixels_of` does not read."""
    return pixels_of(message)


def lens_message(lens: Lens, camera: str) -> CameraInfo:
    """A lens; the stamp is still to be set."""
    message = CameraInfo(width=lens.size[0], height=lens.size[1])
    message.header.frame_id = optical_frame(camera)
    message.distortion_model = lens.model
    message.d = [float(v) for v in lens.distortion]
    message.k = [float(v) for v in lens.matrix.ravel()]
    message.r = [float(v) for v in np.eye(3).ravel()]
    message.p = [float(v) for v in np.column_stack([lens.matrix, np.zeros(3)]).ravel()]
    return message


def compressed_message(image: np.ndarray, frame_id: str, stamp: TimeMsg) -> CompressedImage:
    """An RGB image (H, W, 3) uint8 as JPEG."""
    message = CompressedImage(format="rgb8; jpeg compressed bgr8")
    message.header.stamp, message.header.frame_id = stamp, frame_id
    message.data.frombytes(cv2.imencode(".jpg", image[:, :, ::-1])[1].data)
    return message


def status_message(
    name: str, level: int, message: str, values: Mapping[str, object]
) -> DiagnosticStatus:
    """One diagnostic status; level 0 OK, 1 warning, 2 error, 3 stale."""
    pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    return DiagnosticStatus(level=bytes([level]), name=name, message=message, values=pairs)


def motion_state_message(state: MotionNodeState) -> DiagnosticStatus:
    """As it is published on ``motion/state``."""
    return status_message("motion", 0, state.message, state.texts())


def to_motion_state(message: DiagnosticStatus) -> MotionNodeState:
    """Raises PushcellError for a status that is none."""
    return read_motion_state(status_values(message), message.message)


def offered_qos(profile: QoSProfile) -> Qos:
    """A publisher's quality of service as bags tell of it."""
    return Qos(
        QosHistory(profile.history),
        profile.depth,
        QosReliability(profile.reliability),
        QosDurability(profile.durability),
        _qos_time(profile.deadline),
        _qos_time(profile.lifespan),
        QosLiveliness(profile.liveliness),
        _qos_time(profile.liveliness_lease_duration),
        profile.avoid_ros_namespace_conventions,
    )


def _qos_time(duration: Duration) -> QosTime:
    return QosTime(*divmod(duration.nanoseconds, 10**9))


def status_values(status: DiagnosticStatus) -> dict[str, str]:
    """The key-value pairs of a status."""
    return {pair.key: pair.value for pair in status.values}
