EXTENSION    = cims
EXTVERSION  := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)
PARTS        = crypto merkle mask gram record label jose base keyring types access views audit ledger monitor
MODULE_big   = $(EXTENSION)
OBJS         = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c $(PARTS:%=src/%/*.c))))
PG_CPPFLAGS  = -I$(srcdir)/src
SHLIB_LINK   = -lcrypto -Wl,-Bsymbolic-functions
DATA_built   = sql/$(EXTENSION)--$(EXTVERSION).sql
DATA         = $(filter-out $(DATA_built),$(wildcard sql/$(EXTENSION)--*.sql))
CLUSTER      = --temp-config=test/cims.conf --no-locale --encoding=UTF8 --load-extension=$(EXTENSION)
REGRESS      = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --temp-instance=./tmp_check $(CLUSTER)
ISOLATION    = $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --temp-instance=./tmp_check_iso $(CLUSTER)
TAP_TESTS    = 1
PROVE_TESTS ?= test/t/*.pl
PG_CONFIG   ?= pg_config
PGXS        := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)
$(OBJS): $(wildcard src/*.h src/*/*.h)
# the install script's parts, each after those that it needs
SQL_PARTS    = base mask keyring analyze types pattern retype residue protect maintain shadow online \
	access factor label scope policy views copy audit capture history request emergency separation report review offboard ledger verify export retention watch comment
SQL_MODULES  = $(wildcard $(SQL_PARTS:%=sql/module/%.sql))
$(DATA_built): $(SQL_MODULES) $(EXTENSION).control
	cat $(SQL_MODULES) > $@
