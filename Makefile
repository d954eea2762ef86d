# SPDX-License-Identifier: MIT
# make help lists the targets. Nothing here needs editing when a file is added:
# a folder's *.c belong to its library or program, x_test.c is a unit test.

MAKEFLAGS += --no-builtin-rules
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BUILD ?= build
O := $(BUILD)/release
D := $(BUILD)/dev

PKGS := libssl libcrypto libuv libseccomp libpcre2-8 libunbound libidn2 \
	zlib
LIBS := -lssl -lcrypto -lcrypt -linih -luv -lseccomp -lpcre2-8 -lunbound \
	-lidn2 -lunistring -lz -lpthread -lm

WARN := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion \
	-Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wcast-qual
STRICT := -Wvla -Wframe-larger-than=4096
BASE_FLAGS := -std=gnu11 -D_GNU_SOURCE -I. -fno-omit-frame-pointer -g $(WARN)
HARDEN := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE \
	-fstack-clash-protection -fno-plt
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
REL_FLAGS = $(BASE_FLAGS) $(STRICT) $(HARDEN) $(CFLAGS)
DEV_FLAGS = $(BASE_FLAGS) -O1 -DESTAFETA_SANITIZED -Werror $(SAN) $(CFLAGS)
REL_LINK := -pie -Wl,-z,relro,-z,now
DEV_LINK := $(SAN) -rdynamic

src = $(filter-out %_test.c,$(wildcard $(1)))
LIB_SRC := $(call src,lib/base/*.c lib/mail/*.c lib/ipc/*.c lib/rt/*.c)
LIB_ASM := $(wildcard lib/rt/*.S)
MTA_SRC := $(call src,mta/*.c mta/*/*.c)
ROUTER_SRC := $(call src,router/*.c router/*/*.c)
MDA_SRC := $(call src,mda/*.c mda/*/*.c mda/*/*/*.c)
CTL_SRC := $(call src,ctl/*.c)
MAINS := mta/mta.c router/router.c mda/mda.c ctl/mailctl.c
TEST_SRC := $(wildcard lib/*/*_test.c mta/*/*_test.c router/*/*_test.c \
	mda/*/*_test.c mda/*/*/*_test.c ctl/*_test.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
PROGRAMS := mta router mda mailctl
# What mailctl is called as, too.
NAMES := postqueue postsuper postcat postconf postmap mailq sendmail \
	newaliases doveadm setup
PREFIX ?= /usr/local

obj = $(patsubst %,$(1)/%.o,$(2))
lib_obj = $(call obj,$(1),$(LIB_SRC) $(LIB_ASM))
part_obj = $(call obj,$(1),$(filter-out $(MAINS),$(2)))

.PHONY: all dev
all: $(PROGRAMS:%=$(O)/bin/%)
dev: $(PROGRAMS:%=$(D)/bin/%)

.PHONY: install
install: all ## programs and manual pages below PREFIX (/usr/local)
	@install -d $(DESTDIR)$(PREFIX)/bin
	@install $(PROGRAMS:%=$(O)/bin/%) $(DESTDIR)$(PREFIX)/bin
	@for name in $(NAMES); do \
		ln -sf mailctl $(DESTDIR)$(PREFIX)/bin/$$name; \
	done
	@for page in $(wildcard doc/man/*.[1578]); do \
		install -D -m 644 $$page \
			$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; \
	done

define BUILD_RULES
$(1)/lib.a: $(call lib_obj,$(1))
$(1)/mta.a: $(call part_obj,$(1),$(MTA_SRC))
$(1)/router.a: $(call part_obj,$(1),$(ROUTER_SRC))
$(1)/mda.a: $(call part_obj,$(1),$(MDA_SRC))
$(1)/ctl.a: $(call part_obj,$(1),$(CTL_SRC))
$(1)/%.a:
	@mkdir -p $$(@D)
	@rm -f $$@
	@ar rcs $$@ $$^
$(1)/bin/mta: $(1)/mta/mta.c.o $(1)/mta.a $(1)/lib.a
$(1)/bin/router: $(1)/router/router.c.o $(1)/router.a $(1)/lib.a
$(1)/bin/mda: $(1)/mda/mda.c.o $(1)/mda.a $(1)/lib.a
$(1)/bin/mailctl: $(1)/ctl/mailctl.c.o $(1)/ctl.a $(1)/router.a $(1)/lib.a
$(1)/bin/%:
	@mkdir -p $$(@D)
	@echo "  LINK $$@"
	@$(CC) -o $$@ $$^ $(3) $(LIBS)
$(1)/%.c.o: %.c
	@mkdir -p $$(@D)
	@echo "  CC   $$<"
	@$(CC) $$($(2)) -MMD -MP -c $$< -o $$@
$(1)/%.S.o: %.S
	@mkdir -p $$(@D)
	@$(CC) -I. -g -c $$< -o $$@
endef
$(eval $(call BUILD_RULES,$(O),REL_FLAGS,$(REL_LINK)))
$(eval $(call BUILD_RULES,$(D),DEV_FLAGS,$(DEV_LINK)))

# Unit tests: x_test.c includes x.c, so its own archive member stays out.
TESTS := $(TEST_SRC:%.c=$(D)/test/%)
define TEST_RULE
$(D)/test/$(1)/%: $(D)/$(1)/%.c.o $(2) $(D)/lib.a
	@mkdir -p $$(@D)
	@$(CC) -o $$@ $$< $(2) $(D)/lib.a $(DEV_LINK) -lcmocka $(LIBS)
endef
$(eval $(call TEST_RULE,lib,))
$(eval $(call TEST_RULE,mta,$(D)/mta.a))
$(eval $(call TEST_RULE,router,$(D)/router.a))
$(eval $(call TEST_RULE,mda,$(D)/mda.a))
$(eval $(call TEST_RULE,ctl,$(D)/ctl.a $(D)/router.a))

-include $(shell find $(O) $(D) $(BUILD)/fuzz -type f -name '*.d' 2>/dev/null)
-include tests/targets.mk
.SECONDARY:
.DELETE_ON_ERROR:
