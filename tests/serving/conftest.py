from tests.helpers.exported_models import exported as exported
from tests.helpers.exported_models import facts as facts
from tests.helpers.exported_models import generator as generator
from tests.helpers.exported_models import other_exported as other_exported
