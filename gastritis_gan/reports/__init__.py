from gastritis_gan.tensorflow_setup import set_up_tensorflow

set_up_tensorflow()
