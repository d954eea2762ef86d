/* SPDX-License-Identifier: MIT
 * lib/rt/co_aarch64.S - void co_switch(void **save_sp, void *load_sp)
 *
 * Saves x19-x30 and d8-d15 (AAPCS64 callee-saved) on the old stack, swaps the
 * stack pointer, restores from the new one. */
#ifdef __aarch64__
	.text
	.globl co_switch
	.hidden co_switch
	.type co_switch, %function
co_switch:
	.cfi_startproc
	sub sp, sp, #160
	stp x19, x20, [sp, #0]
	stp x21, x22, [sp, #16]
	stp x23, x24, [sp, #32]
	stp x25, x26, [sp, #48]
	stp x27, x28, [sp, #64]
	stp x29, x30, [sp, #80]
	stp d8, d9, [sp, #96]
	stp d10, d11, [sp, #112]
	stp d12, d13, [sp, #128]
	stp d14, d15, [sp, #144]
	mov x9, sp
	str x9, [x0]
	mov sp, x1
	ldp x19, x20, [sp, #0]
	ldp x21, x22, [sp, #16]
	ldp x23, x24, [sp, #32]
	ldp x25, x26, [sp, #48]
	ldp x27, x28, [sp, #64]
	ldp x29, x30, [sp, #80]
	ldp d8, d9, [sp, #96]
	ldp d10, d11, [sp, #112]
	ldp d12, d13, [sp, #128]
	ldp d14, d15, [sp, #144]
	add sp, sp, #160
	ret
	.cfi_endproc
	.size co_switch, . - co_switch

/* The first frame of a coroutine: backtraces end here. */
	.globl co_start
	.hidden co_start
	.type co_start, %function
co_start:
	.cfi_startproc
	.cfi_undefined x30
	bl co_main
	brk #1
	.cfi_endproc
	.size co_start, . - co_start
#endif
	.section .note.GNU-stack, "", %progbits
