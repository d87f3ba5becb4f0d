"""What a strategy is made of, beside its document, so that near ones are found without compiling all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("experiments", sa.Column("structure", sa.JSON(), nullable=True))
