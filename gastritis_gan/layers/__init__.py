from gastritis_gan.tensorflow_setup import set_up_tensorflow

set_up_tensorflow()

from gastritis_gan.layers.downsample_conv2d import DownsampleConv2D as DownsampleConv2D
from gastritis_gan.layers.equalized_conv2d import EqualizedConv2D as EqualizedConv2D
from gastritis_gan.layers.equalized_dense import EqualizedDense as EqualizedDense
from gastritis_gan.layers.fade_in import FadeIn as FadeIn
from gastritis_gan.layers.minibatch_std_dev import MinibatchStdDev as MinibatchStdDev
from gastritis_gan.layers.pixel_normalization import (
    PixelNormalization as PixelNormalization,
)
from gastritis_gan.layers.upsample_conv2d import UpsampleConv2D as UpsampleConv2D
