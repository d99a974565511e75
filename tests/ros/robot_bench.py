"""A robot for tests of the memory node: a camera in a synthetic room, and somebody who asks."""

import threading
import time

from embodied_mem.messages import Query
from embodied_mem.testing import SyntheticRoom


class Bench:
    """A camera and a client; `node` is a memory node in this process, or None when it runs elsewhere."""

    def __init__(self, parameters=None):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        from embodied_mem.ros.client import MemoryClient
        from embodied_mem.ros.room_node import RgbdPublisher

        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.camera_node = rclpy.create_node("camera", context=self.context)
        self.camera = RgbdPublisher(self.camera_node)
        self.room = SyntheticRoom(0)
        self.node = None
        if parameters is not None:
            from rclpy.parameter import Parameter

            from embodied_mem.ros.memory_node import MemoryNode

            given = {"input.use_segmentation": True, "input.reliability": "reliable", **parameters}
            overrides = [Parameter(name, value=value) for name, value in given.items()]
            self.node = MemoryNode(context=self.context, parameter_overrides=overrides)
            self.node_executor = SingleThreadedExecutor(context=self.context)
            self.node_executor.add_node(self.node)
            self.node.trigger_configure()
            self.node.trigger_activate()
            self.thread = threading.Thread(target=self.node_executor.spin, daemon=True)
            self.thread.start()
        self.client = MemoryClient(rclpy.create_node("asker", context=self.context))
        self.client.wait_until_ready()

    def show(self, num_frames=12):
        while not self.camera.has_listener():
            time.sleep(0.02)
        for frame in self.room.frames(num_frames):
            self.camera.publish(frame)
            last = frame
        self.client.wait_until_done(last.stamp_ns)

    def publish(self, message_type, topic, *messages):
        publisher = self.camera_node.create_publisher(message_type, topic, 10)
        while not publisher.get_subscription_count():
            time.sleep(0.02)
        for message in messages:
            publisher.publish(message)
        self.client.spin_for(0.3)

    def wait_for(self, is_so, timeout_s=20.0):
        end_s = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < end_s, "what was waited for did not happen"
            self.client.spin_for(0.05)

    def where(self, what):
        return self.client.recall(Query(kind="where", entity=what))

    def close(self):
        import rclpy

        self.client.close()
        if self.node is not None:
            self.node_executor.shutdown(2.0)
            self.thread.join(5.0)
            self.node.close()
        rclpy.try_shutdown(context=self.context)
