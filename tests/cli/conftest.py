from tests.helpers.exported_models import exported as exported
from tests.helpers.exported_models import generator as generator
from tests.helpers.exported_models import metadata as metadata
