# SPDX-License-Identifier: MIT
# What a role may still do once it gave up its rights. Release flags: the filter
# is off in sanitizer builds.

$(O)/test/contain: $(O)/tests/contain/contain.c.o $(O)/lib.a
	@mkdir -p $(@D)
	@$(CC) -o $@ $^ $(REL_LINK) -lcmocka $(LIBS)
$(O)/tests/contain/contain.c.o: REL_FLAGS += -Wno-frame-larger-than

.PHONY: contain
contain: $(O)/test/contain ## what a broken-in role can do: nothing else
	@$(O)/test/contain
