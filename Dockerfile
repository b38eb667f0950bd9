# ROS 2 Jazzy with pushcell in it, by the steps of "On a ROS 2 machine" in the README:
#   docker build -t pushcell . && docker run --rm -it --network host --shm-size 512m pushcell
FROM ros:jazzy-ros-base
WORKDIR /pushcell
COPY . .
SHELL ["/bin/bash", "-c"]
RUN apt-get update && apt-get install -y --no-install-recommends \
      chromium-browser libegl1 libgl1 libglib2.0-0t64 libsm6 libx11-6 libxt6t64 make python3-venv \
    && rosdep install -y --from-paths ros2_ws/src --ignore-src \
    && rm -rf /var/lib/apt/lists/*
RUN . /opt/ros/jazzy/setup.bash \
    && python3 -m venv --system-site-packages .venv && touch .venv/COLCON_IGNORE \
    && .venv/bin/pip install -e '.[colcon,policy,sim,teleop]' \
    && cd ros2_ws && ../.venv/bin/python -m colcon build --symlink-install
ENTRYPOINT ["/bin/bash", "-c", ". /opt/ros/jazzy/setup.bash && . ros2_ws/install/setup.bash && exec \"$@\"", "--"]
CMD ["ros2", "launch", "pushcell_ros", "rollout.launch.yaml"]
