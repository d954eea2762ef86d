/* SPDX-License-Identifier: MIT
 * lib/rt/co_x86_64.S - void co_switch(void **save_sp, void *load_sp)
 *
 * Saves the callee-saved registers of the System V ABI on the old stack, swaps
 * the stack pointer, restores from the new one. */
#ifdef __x86_64__
	.text
	.globl co_switch
	.hidden co_switch
	.type co_switch, @function
co_switch:
	.cfi_startproc
	pushq %rbp
	.cfi_adjust_cfa_offset 8
	pushq %rbx
	.cfi_adjust_cfa_offset 8
	pushq %r12
	.cfi_adjust_cfa_offset 8
	pushq %r13
	.cfi_adjust_cfa_offset 8
	pushq %r14
	.cfi_adjust_cfa_offset 8
	pushq %r15
	.cfi_adjust_cfa_offset 8
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	.cfi_adjust_cfa_offset -8
	popq %r14
	.cfi_adjust_cfa_offset -8
	popq %r13
	.cfi_adjust_cfa_offset -8
	popq %r12
	.cfi_adjust_cfa_offset -8
	popq %rbx
	.cfi_adjust_cfa_offset -8
	popq %rbp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size co_switch, . - co_switch

/* The first frame of a coroutine: its return address is undefined, so that
 * backtraces end here. */
	.globl co_start
	.hidden co_start
	.type co_start, @function
co_start:
	.cfi_startproc
	.cfi_undefined rip
	call co_main
	ud2
	.cfi_endproc
	.size co_start, . - co_start
#endif
	.section .note.GNU-stack, "", @progbits
