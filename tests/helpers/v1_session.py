"""Runs a SavedModel in a TensorFlow 1 Session, without Keras and this package.

Usage and files as in `cpp_loader.py`.
"""

import sys

import numpy as np

for blocked in ("keras", "gastritis_gan"):
    sys.modules[blocked] = None

import tensorflow as tf  # noqa: E402  (the modules above must be blocked first)


def main(folder, requests_path, replies_path):
    with np.load(requests_path, allow_pickle=False) as file:
        requests = dict(file)
    replies = {}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], folder)
        for signature in sorted({name.split("/")[0] for name in requests}):
            definition = meta_graph.signature_def[signature]
            feed = {
                info.name: requests[f"{signature}/{key}"]
                for key, info in definition.inputs.items()
            }
            for key, info in definition.outputs.items():
                result = session.run(info.name, feed)
                if result.dtype == object:
                    for row, content in enumerate(result):
                        bytes_ = np.frombuffer(content, np.uint8)
                        replies[f"{signature}/{key}/{row}"] = bytes_
                else:
                    replies[f"{signature}/{key}"] = result
    np.savez(replies_path, **replies)


main(*sys.argv[1:])
