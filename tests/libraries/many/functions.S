/* Ten thousand functions, five usual prologues by turns: n plus a number of
 * the function's own. `many_functions` is the table of their addresses. */
.intel_syntax noprefix
.section .note.GNU-stack, "", @progbits
.altmacro
.set next_number, 0

.macro begin number
.text
.p2align 4
.globl many_\number
.type many_\number, @function
many_\number:
.cfi_startproc
.endm

.macro end number
.cfi_endproc
.size many_\number, . - many_\number
.section .data.rel.ro, "aw"
.quad many_\number
.set next_number, next_number + 1
.endm

/* a register is saved */
.macro saves number
begin \number
push rbx
.cfi_adjust_cfa_offset 8
.cfi_offset rbx, -16
mov rbx, rdi
lea rax, [rbx + \number]
pop rbx
.cfi_adjust_cfa_offset -8
.cfi_restore rbx
ret
end \number
.endm

/* a frame */
.macro frames number
begin \number
push rbp
.cfi_adjust_cfa_offset 8
.cfi_offset rbp, -16
mov rbp, rsp
lea rax, [rdi + \number]
pop rbp
.cfi_adjust_cfa_offset -8
.cfi_restore rbp
ret
end \number
.endm

/* a landing pad, and room on the stack */
.macro lands number
begin \number
endbr64
sub rsp, 24
.cfi_adjust_cfa_offset 24
mov [rsp + 8], rdi
mov rax, [rsp + 8]
add rax, \number
add rsp, 24
.cfi_adjust_cfa_offset -24
ret
end \number
.endm

/* a first instruction as long as a jump */
.macro loads number
begin \number
mov eax, \number
add rax, rdi
ret
end \number
.endm

/* a branch among the first five bytes */
.macro tests number
LOCAL zero
begin \number
test rdi, rdi
je zero
lea rax, [rdi + \number]
ret
zero:
mov eax, \number
ret
end \number
.endm

.section .data.rel.ro, "aw"
.p2align 3
.globl many_functions
.type many_functions, @object
many_functions:
.rept 2000
saves %next_number
frames %next_number
lands %next_number
loads %next_number
tests %next_number
.endr
.size many_functions, . - many_functions
