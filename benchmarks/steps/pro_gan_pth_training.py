"""The peer: a whole training of pro-gan-pth 3.4 within a budget of CPU-seconds.

    python pro_gan_pth_training.py CASE.json

It is run by a Python that has the peer; see `pro_gan_pth`. Its own networks, losses and
updates; the stages, widths, batches and averaging are those of the case, and each stage
has as many images as the budget allows, in the case's proportions. A few steps of every
stage, which do not count, tell how many.
"""

import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from pro_gan_pth import custom_layers, gan, losses, make_networks

TRIAL_STEPS = 6


def main():
    """Trains, draws samples, and writes both beside each other."""
    case = json.loads(Path(sys.argv[1]).read_text())
    threads = torch.get_num_threads()
    peer = Peer(case)
    needed = 0.0
    for resolution, _, batch_size, images in case["stages"]:
        peer.step(resolution, batch_size, 0.5)
        start = time.process_time()
        for _ in range(TRIAL_STEPS):
            peer.step(resolution, batch_size, 0.5)
        seconds = (time.process_time() - start) / TRIAL_STEPS
        needed += seconds * images / batch_size
    share = case["cpu_seconds"] / needed
    peer = Peer(case)
    start, num_images = time.process_time(), 0
    for resolution, transition, batch_size, images in case["stages"]:
        num_steps = max(1, round(share * images / batch_size))
        for step in range(num_steps):
            alpha = step / num_steps if transition else 1.0
            peer.step(resolution, batch_size, alpha)
        num_images += num_steps * batch_size
    seconds = time.process_time() - start
    np.save(case["samples"], peer.samples(case["num_samples"]))
    result = {"cpu_seconds": seconds, "num_images": num_images, "threads": threads}
    Path(case["result"]).write_text(json.dumps(result))


class Peer:
    """Networks of the peer and what trains them, as its own loop does."""

    def __init__(self, case):
        torch.manual_seed(case["seed"])
        self.case = case
        self.random = np.random.default_rng(case["seed"])
        self.patches = np.load(case["patches"], mmap_mode="r")  # [N, R, R, 1]
        self.depth = depth_of(case["stages"][-1][0])
        generator, discriminator = make_networks(
            self.depth, case["latent_dim"], case["fmap_base"], case["fmap_max"]
        )
        self.trainer = gan.ProGAN(generator, discriminator)
        self.g_adam, self.d_adam = (
            torch.optim.Adam(
                network.parameters(), lr=case["learning_rate"], betas=(0.0, 0.99)
            )
            for network in (generator, discriminator)
        )
        self.loss = losses.WganGP()

    def step(self, resolution, batch_size, alpha):
        """Updates both networks once."""
        rows = np.sort(self.random.integers(len(self.patches), size=batch_size))
        images = torch.from_numpy(self.patches[rows].astype(np.float32) / 127.5 - 1)
        images = images.permute(0, 3, 1, 2)  # [N, 1, R, R]
        depth = depth_of(resolution)
        latents = torch.randn(batch_size, self.case["latent_dim"])
        arguments = (latents, images, depth, alpha)
        trainer = self.trainer
        trainer.optimize_discriminator(self.loss, self.d_adam, *arguments)
        trainer.optimize_generator(self.loss, self.g_adam, *arguments)
        beta = 0.5 ** (batch_size / self.case["ema_half_life_images"])
        custom_layers.update_average(trainer.gen_shadow, trainer.gen, beta=beta)

    def samples(self, count):
        """Returns uint8 `(count, R, R, 1)` of the averaged generator."""
        parts = []
        with torch.no_grad():
            for start in range(0, count, 100):
                latents = torch.randn(min(100, count - start), self.case["latent_dim"])
                images = self.trainer.gen_shadow(latents, self.depth, 1.0)
                parts.append(images.permute(0, 2, 3, 1).numpy())
        images = np.concatenate(parts)
        return np.clip(np.rint((images + 1) * 127.5), 0, 255).astype(np.uint8)


def depth_of(resolution):
    """Returns how the peer counts resolutions: 2 for 4 pixels, 3 for 8."""
    return int(math.log2(resolution))


if __name__ == "__main__":
    main()
