"""The peer: training steps and samples of pro-gan-pth 3.4 (PyPI) on CPU PyTorch.

It is run by a Python that has torch, numpy, pillow, tqdm and pro-gan-pth (the latter
installed without its dependencies, which pin torch 1.10); see docs/performance.md. Two
repairs, without which it does not run: the output padding of its transposed convolution
on torch >= 1.12, and stand-ins for the packages that it imports and does not use here.
"""

import math
import sys
import types

import torch
from protocol import serve


def stand_in(name, *attributes):
    """Registers an empty module with functions that do nothing."""
    module = types.ModuleType(name)
    for attribute in attributes:
        setattr(module, attribute, lambda *_, **__: None)
    sys.modules[name] = module


stand_in("torchvision")
stand_in("torchvision.utils", "save_image")
stand_in(
    "torchvision.transforms", "Compose", "RandomHorizontalFlip", "Resize", "ToTensor"
)
stand_in("torch.utils.tensorboard", "SummaryWriter")

from pro_gan_pytorch import custom_layers, gan, losses, networks  # noqa: E402

custom_layers.EqualizedConvTranspose2d._output_padding = lambda *_: (0, 0)


def make_networks(depth, latent_dim, fmap_base, fmap_max):
    """Returns a generator and a discriminator of the given widths."""
    own_width = networks.nf
    networks.nf = lambda stage: own_width(stage, fmap_base, fmap_max=fmap_max)
    generator = networks.Generator(depth, num_channels=1, latent_size=latent_dim)
    discriminator = networks.Discriminator(depth, num_channels=1, latent_size=fmap_max)
    networks.nf = own_width
    return generator, discriminator


def build(case):
    """Returns the step of a case; see `protocol.serve`."""
    torch.set_num_threads(case["threads"])
    depth = int(math.log2(case["resolution"]))
    latent_dim = case["latent_dim"]
    widths = (case["fmap_base"], case["fmap_max"])
    generator, discriminator = make_networks(depth, latent_dim, *widths)
    size = case["batch_size"]

    def noise():
        return torch.randn(size, latent_dim)

    if case["what"] != "training":

        def sample():
            with torch.no_grad():
                generator(noise(), depth, 1.0)
            return "sample"

        return sample, 1

    trainer = gan.ProGAN(generator, discriminator)
    g_adam, d_adam = (
        torch.optim.Adam(network.parameters(), lr=0.001, betas=(0.0, 0.99), eps=1e-8)
        for network in (generator, discriminator)
    )
    loss = losses.WganGP() if case["loss"] == "wgan_gp" else losses.StandardGAN()
    alpha = 0.5 if case["transition"] else 1.0
    images = torch.rand(size, 1, case["resolution"], case["resolution"]) * 2 - 1

    def step():
        latents = noise()  # the same for both, as in its own loop
        trainer.optimize_discriminator(loss, d_adam, latents, images, depth, alpha)
        trainer.optimize_generator(loss, g_adam, latents, images, depth, alpha)
        custom_layers.update_average(trainer.gen_shadow, generator, beta=0.999)
        return "step"

    return step, 1


if __name__ == "__main__":
    serve(build)
