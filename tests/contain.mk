# SPDX-License-Identifier: MIT
# What a role may still do once it gave up its rights. Release flags: the filter
# is off in sanitizer builds.

CONTAIN_OBJ := $(patsubst %,$(O)/%.o,$(wildcard tests/contain/*.c))

$(O)/test/contain: $(CONTAIN_OBJ) $(O)/lib.a
	@mkdir -p $(@D)
	@$(CC) -o $@ $^ $(REL_LINK) -lcmocka $(LIBS)
$(CONTAIN_OBJ): REL_FLAGS += -Wno-frame-larger-than

.PHONY: contain
contain: $(O)/test/contain ## what a broken-in role can do: nothing else
	@$(O)/test/contain
