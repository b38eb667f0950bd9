# ROS 2 Jazzy with pushcell in it:
#   docker build -t pushcell . && docker run --rm -it --network host --shm-size 512m pushcell make rollout
FROM ros:jazzy-ros-base
RUN apt-get update && apt-get install -y --no-install-recommends \
      chromium-browser libegl1 libgl1 libglib2.0-0t64 libsm6 libx11-6 libxt6t64 \
      make python3-venv ros-jazzy-diagnostic-msgs ros-jazzy-trajectory-msgs \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /pushcell
COPY . .
SHELL ["/bin/bash", "-c"]
RUN . /opt/ros/jazzy/setup.bash && make setup \
    && .venv/bin/pip install --quiet 'setuptools<80' colcon-common-extensions \
    && cd ros2_ws && ../.venv/bin/python -m colcon build --symlink-install
ENTRYPOINT ["/bin/bash", "-c", ". /opt/ros/jazzy/setup.bash && . ros2_ws/install/setup.bash && exec \"$@\"", "--"]
CMD ["make", "rollout"]
