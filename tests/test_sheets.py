import numpy as np

from gastritis_gan.sheets import image_sheet


def test_images_lie_row_by_row_on_grey():
    images = np.stack([np.full((2, 2, 1), level, np.uint8) for level in (1, 2, 3)])
    g = 128
    expected = [
        [1, 1, g, g, 2, 2],
        [1, 1, g, g, 2, 2],
        [g, g, g, g, g, g],
        [g, g, g, g, g, g],
        [3, 3, g, g, g, g],
        [3, 3, g, g, g, g],
    ]
    sheet = image_sheet(images, 2)
    assert sheet.mode == "L"
    np.testing.assert_array_equal(np.asarray(sheet), expected)
