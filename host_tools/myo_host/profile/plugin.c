/* A plugin for QEMU (TCG plugin API 1) that counts what a Cortex-M image executes, call by call.

   usage: -plugin PLUGIN.so,spec=FILE,out=FILE

   It follows calls and returns, so that every executed block is counted for the chain of calls that led to
   it: a tree whose nodes are told apart by call site and callee. Two layers that run the same kernel are two
   nodes. Interrupts are a tree of their own. Which branch costs what is for the reader of the counts: nothing
   here knows cycles.

   The spec, one item a line, numbers in hexadecimal:
     function BEGIN END    a function's first address and the one behind it, in ascending order
     handler ADDRESS       what the vector table holds, reset left out
     reset ADDRESS         the reset handler
     stack LOW HIGH        where the stack may lie
     begin ADDRESS         what was counted before this function is entered for the first time is dropped
     time ADDRESS          a function whose calls are counted one by one
   The result, once the emulation ends:
     block ID ADDRESS INSTRUCTIONS CODE            code in hexadecimal, as it stands in memory
     node ID PARENT SITE ENTRY CALLS LOW ENTERED   lowest stack address written; the stack pointer on entry,
   or 0 count NODE BLOCK EXECUTED TAKEN               taken: what followed was not the next address call
   ADDRESS INSTRUCTIONS                     one call of a timed function, interrupts left out */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The part of QEMU's interface that is used; its header is in no package. */
typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
#define QEMU_PLUGIN_EXPORT __attribute__((visibility("default")))
#define QEMU_PLUGIN_CB_NO_REGS 0
#define QEMU_PLUGIN_MEM_W 2
typedef void (*tb_translated_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*tb_executed_t)(unsigned int cpu, void *user);
typedef void (*memory_accessed_t)(unsigned int cpu, uint32_t info, uint64_t address, void *user);
typedef void (*ended_t)(qemu_plugin_id_t id, void *user);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_translated_t callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, tb_executed_t callback, int flags,
                                          void *user);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, memory_accessed_t callback, int flags,
                                      int access, void *user);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, ended_t callback, void *user);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
QEMU_PLUGIN_EXPORT int qemu_plugin_version = 1;

#define MAX_DEPTH 4096   /* calls within calls */
#define MAX_NESTED 64    /* interrupts within interrupts */
#define MAX_NODES 100000 /* beyond, as deep recursion makes them, callees count for their caller */

typedef struct {
    uint64_t begin, end;
} function_t;

/* How a block ends. A return may be conditional: then what follows may be the next address. */
typedef enum { END_OTHER, END_CALL, END_RETURN, END_INDIRECT } end_t;

typedef struct block {
    struct block *next; /* of the same hash */
    uint32_t id, n_instructions, n_bytes;
    uint64_t begin, end, last; /* last: address of the last instruction */
    uint64_t target;           /* of a direct call, else 0 */
    end_t ends;
    const function_t *function; /* NULL where no symbol covers it */
    bool is_entry, is_handler, is_reset;
    uint8_t *code;
} block_t;

typedef struct counter {
    struct counter *next; /* of the same node */
    const block_t *block;
    uint64_t executed, taken;
} counter_t;

typedef struct node {
    struct node *parent, *children, *sibling;
    uint32_t id;
    uint64_t site, entry, n_calls, lowest, stack_on_entry;
    counter_t *counters;
    bool is_timed;
} node_t;

typedef struct {
    uint64_t return_address;
    node_t *caller;
    const node_t *callee;
    uint64_t work_before;
} frame_t;

/* What an interrupt suspends. */
typedef struct {
    const block_t *previous;
    counter_t *counter;
    node_t *node;
    size_t n_frames;
} context_t;

#define N_HASHES 4096
static block_t *blocks[N_HASHES];
static uint32_t n_blocks, n_nodes;
static node_t thread_root, interrupt_root;
static node_t **nodes; /* by id */
static frame_t frames[MAX_DEPTH];
static size_t n_frames, frame_base; /* base: of the innermost interrupt */
static context_t suspended[MAX_NESTED];
static size_t n_suspended;
static size_t bases[MAX_NESTED];

static const block_t *previous; /* the last block of this context */
static counter_t *previous_counter;
static node_t *node = &thread_root;
static uint64_t work; /* instructions outside interrupts */

static function_t *functions;
static size_t n_functions;
static uint64_t handlers[512], timed[64];
static size_t n_handlers, n_timed;
static uint64_t reset_address = UINT64_MAX, begin_address, stack_low, stack_high;
static bool began;
static FILE *out;

typedef struct call {
    uint64_t address, n_instructions;
} call_t;
static call_t *calls;
static size_t n_calls, calls_room;

static void *take_memory(size_t n, size_t size) {
    void *const memory = calloc(n, size);
    if (memory == NULL) {
        fputs("myopatch profile: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static bool contains(const uint64_t *list, size_t n, uint64_t address) {
    for (size_t i = 0; i < n; i++) {
        if (list[i] == address) {
            return true;
        }
    }
    return false;
}

static const function_t *find_function(uint64_t address) {
    size_t low = 0, high = n_functions;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (address < functions[middle].begin) {
            high = middle;
        } else if (address >= functions[middle].end) {
            low = middle + 1;
        } else {
            return &functions[middle];
        }
    }
    return NULL;
}

static void register_node(node_t *self) {
    nodes = realloc(nodes, (n_nodes + 1) * sizeof *nodes);
    if (nodes == NULL) {
        abort();
    }
    self->id = n_nodes;
    self->lowest = UINT64_MAX;
    nodes[n_nodes++] = self;
}

static node_t *find_child(node_t *parent, uint64_t site, uint64_t entry) {
    for (node_t *child = parent->children; child != NULL; child = child->sibling) {
        if (child->site == site && child->entry == entry) {
            return child;
        }
    }
    if (n_nodes == MAX_NODES) {
        return parent;
    }
    node_t *const child = take_memory(1, sizeof *child);
    child->parent = parent;
    child->site = site;
    child->entry = entry;
    child->is_timed = contains(timed, n_timed, entry);
    child->sibling = parent->children;
    parent->children = child;
    register_node(child);
    return child;
}

static counter_t *find_counter(node_t *owner, const block_t *block) {
    counter_t **link = &owner->counters;
    for (counter_t *counter = *link; counter != NULL; link = &counter->next, counter = *link) {
        if (counter->block == block) { /* to the front: loops find theirs at once */
            *link = counter->next;
            counter->next = owner->counters;
            owner->counters = counter;
            return counter;
        }
    }
    counter_t *const counter = take_memory(1, sizeof *counter);
    counter->block = block;
    counter->next = owner->counters;
    owner->counters = counter;
    return counter;
}

static void drop_counts(void) {
    for (uint32_t id = 0; id < n_nodes; id++) {
        nodes[id]->n_calls = 0;
        nodes[id]->lowest = UINT64_MAX;
        for (counter_t *counter = nodes[id]->counters; counter != NULL; counter = counter->next) {
            counter->executed = counter->taken = 0;
        }
    }
    n_calls = 0;
}

static void note_call(uint64_t address, uint64_t n_instructions) {
    if (n_calls == calls_room) {
        calls_room = calls_room ? 2 * calls_room : 256;
        calls = realloc(calls, calls_room * sizeof *calls);
        if (calls == NULL) {
            abort();
        }
    }
    calls[n_calls++] = (call_t){address, n_instructions};
}

static void enter(node_t *callee) {
    node = callee;
    if (callee->entry == begin_address && !began) {
        began = true;
        drop_counts();
    }
    callee->n_calls++;
}

static void suspend(const block_t *handler) {
    if (n_suspended == MAX_NESTED) {
        return; /* counted for whatever it interrupted */
    }
    suspended[n_suspended] = (context_t){previous, previous_counter, node, n_frames};
    bases[n_suspended++] = frame_base;
    frame_base = n_frames;
    previous = NULL;
    enter(find_child(&interrupt_root, 0, handler->begin));
}

static void resume(void) {
    const context_t *const context = &suspended[--n_suspended];
    frame_base = bases[n_suspended];
    previous = context->previous;
    previous_counter = context->counter;
    node = context->node;
    n_frames = context->n_frames;
}

static void restart(void) {
    n_suspended = n_frames = frame_base = 0;
    previous = NULL;
    node = &thread_root;
}

static void call(const block_t *callee) {
    node_t *const child = find_child(node, previous->last, callee->begin);
    if (n_frames < MAX_DEPTH) {
        frames[n_frames++] = (frame_t){previous->end, node, child, work};
    }
    enter(child);
}

/* Leaves the innermost call that returns to this address, with whatever it called. */
static bool return_to(uint64_t address) {
    for (size_t depth = n_frames; depth > frame_base; depth--) {
        if (frames[depth - 1].return_address == address) {
            n_frames = depth - 1;
            const frame_t *const frame = &frames[n_frames];
            if (frame->callee->is_timed && n_suspended == 0) {
                note_call(frame->callee->entry, work - frame->work_before);
            }
            node = frame->caller;
            return true;
        }
    }
    return false;
}

/* Tells from where the last block ended and where this one begins how control came here. */
static void follow(const block_t *block) {
    const bool is_next = block->begin == previous->end;
    previous_counter->taken += !is_next;
    if (previous->ends == END_CALL) {
        if (!is_next || previous->target == block->begin) {
            call(block);
        }
        return;
    }
    if (is_next) {
        return;
    }
    if ((previous->ends == END_RETURN || previous->ends == END_INDIRECT) && return_to(block->begin)) {
        return;
    }
    if (block->is_entry && block->function != previous->function) { /* a call in tail position */
        enter(find_child(node, previous->last, block->begin));
    }
}

static void on_executed(unsigned int cpu, void *user) {
    (void)cpu;
    const block_t *const block = user;
    if (block->is_reset) {
        restart();
        enter(find_child(&thread_root, 0, block->begin));
    } else {
        if (n_suspended > 0 && previous != NULL && previous->ends == END_RETURN && n_frames == frame_base &&
            block->begin != previous->end) {
            previous_counter->taken++;
            resume();
        }
        const bool is_called =
            previous != NULL && previous->ends == END_CALL && previous->target == block->begin;
        if (block->is_handler && !is_called) {
            suspend(block);
        } else if (previous != NULL) {
            follow(block);
        }
    }
    previous_counter = find_counter(node, block);
    previous_counter->executed++;
    previous = block;
    if (n_suspended == 0) {
        work += block->n_instructions;
    }
}

static void on_stored(unsigned int cpu, uint32_t info, uint64_t address, void *user) {
    (void)cpu, (void)info, (void)user;
    if (address < stack_low || address >= stack_high) {
        return;
    }
    if (address < node->lowest) {
        node->lowest = address;
    }
}

/* The first instruction of a function that saves the link register at the top of its frame: its highest word
   lies just below the stack pointer on entry. */
static void on_pushed(unsigned int cpu, uint32_t info, uint64_t address, void *user) {
    const block_t *const block = user;
    on_stored(cpu, info, address, NULL);
    if (node->entry == block->begin && address + 4 > node->stack_on_entry) {
        node->stack_on_entry = address + 4;
    }
}

static bool pushes_link_register(const uint8_t *code) {
    const uint16_t first = (uint16_t)(code[0] | code[1] << 8), second = (uint16_t)(code[2] | code[3] << 8);
    return (first & 0xFF00) == 0xB500 || (first == 0xE92D && (second & 0x4000) != 0);
}

static end_t find_end(const uint8_t *code, size_t size, uint64_t address, uint64_t *target) {
    const uint16_t first = (uint16_t)(code[0] | code[1] << 8);
    if (size == 2) {
        if ((first & 0xFF87) == 0x4780) {
            return END_CALL; /* BLX register */
        }
        if (first == 0x4770 || (first & 0xFF00) == 0xBD00) {
            return END_RETURN; /* BX LR, POP {..., PC} */
        }
        return (first & 0xFF87) == 0x4700 || (first & 0xFF87) == 0x4687 ? END_INDIRECT : END_OTHER;
    }
    const uint16_t second = (uint16_t)(code[2] | code[3] << 8);
    if ((first & 0xF800) == 0xF000 && (second & 0xD000) == 0xD000) { /* BL, encoding T1 */
        const uint32_t s = first >> 10 & 1u;
        const uint32_t i1 = ~((second >> 13 & 1u) ^ s) & 1u, i2 = ~((second >> 11 & 1u) ^ s) & 1u;
        const uint32_t offset =
            (s ? 0xFF000000u : 0) | i1 << 23 | i2 << 22 | (first & 0x3FFu) << 12 | (second & 0x7FFu) << 1;
        *target = (uint32_t)address + 4u + offset;
        return END_CALL;
    }
    if ((first == 0xE8BD && (second & 0x8000) != 0) || (first == 0xF85D && (second & 0xF000) == 0xF000)) {
        return END_RETURN; /* LDM SP!, {..., PC}; LDR PC, [SP], #n */
    }
    return (first & 0xFF70) == 0xF850 && (second & 0xF000) == 0xF000 ? END_INDIRECT : END_OTHER;
}

/* Not what QEMU says: near the end of a page it looks ahead, and counts what it saw for the instruction
 * before. */
static size_t find_size(const uint8_t *code) {
    return (code[1] & 0xF8) >= 0xE8 ? 4 : 2;
}

static block_t *describe(const struct qemu_plugin_tb *tb) {
    const size_t n = qemu_plugin_tb_n_insns(tb);
    uint8_t code[4096];
    size_t n_bytes = 0, last_size = 0;
    uint64_t last = 0;
    for (size_t i = 0; i < n; i++) {
        const struct qemu_plugin_insn *const insn = qemu_plugin_tb_get_insn(tb, i);
        last = qemu_plugin_insn_vaddr(insn);
        const uint8_t *const data = qemu_plugin_insn_data(insn);
        last_size = find_size(data);
        if (n_bytes + last_size > sizeof code) {
            abort(); /* QEMU ends a block after 512 instructions */
        }
        memcpy(code + n_bytes, data, last_size);
        n_bytes += last_size;
    }
    const uint64_t begin = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
    block_t **const link = &blocks[(begin >> 1) % N_HASHES];
    for (block_t *block = *link; block != NULL; block = block->next) { /* translated again */
        if (block->begin == begin && block->n_bytes == n_bytes && memcmp(block->code, code, n_bytes) == 0) {
            return block;
        }
    }
    block_t *const block = take_memory(1, sizeof *block);
    block->next = *link;
    *link = block;
    block->id = n_blocks++;
    block->n_instructions = (uint32_t)n;
    block->n_bytes = (uint32_t)n_bytes;
    block->begin = begin;
    block->last = last;
    block->end = last + last_size;
    block->ends = find_end(code + n_bytes - last_size, last_size, last, &block->target);
    block->function = find_function(begin);
    block->is_entry = block->function != NULL && block->function->begin == begin;
    block->is_handler = contains(handlers, n_handlers, begin);
    block->is_reset = begin == reset_address;
    block->code = take_memory(n_bytes, 1);
    memcpy(block->code, code, n_bytes);
    return block;
}

static void on_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    block_t *const block = describe(tb);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_executed, QEMU_PLUGIN_CB_NO_REGS, block);
    for (uint32_t i = 0; i < block->n_instructions; i++) {
        const bool is_push =
            i == 0 && block->is_entry && block->n_bytes >= 4 && pushes_link_register(block->code);
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, i), is_push ? on_pushed : on_stored,
                                         QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_W, block);
    }
}

static void on_end(qemu_plugin_id_t id, void *user) {
    (void)id, (void)user;
    for (size_t i = 0; i < N_HASHES; i++) {
        for (const block_t *block = blocks[i]; block != NULL; block = block->next) {
            fprintf(out, "block %" PRIu32 " %" PRIx64 " %" PRIu32 " ", block->id, block->begin,
                    block->n_instructions);
            for (uint32_t k = 0; k < block->n_bytes; k++) {
                fprintf(out, "%02x", block->code[k]);
            }
            fputc('\n', out);
        }
    }
    for (uint32_t i = 0; i < n_nodes; i++) {
        const node_t *const self = nodes[i];
        fprintf(out,
                "node %" PRIu32 " %" PRId64 " %" PRIx64 " %" PRIx64 " %" PRIu64 " %" PRIx64 " %" PRIx64 "\n",
                self->id, self->parent ? (int64_t)self->parent->id : -1, self->site, self->entry,
                self->n_calls, self->lowest, self->stack_on_entry);
        for (const counter_t *counter = self->counters; counter != NULL; counter = counter->next) {
            if (counter->executed + counter->taken > 0) {
                fprintf(out, "count %" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRIu64 "\n", self->id,
                        counter->block->id, counter->executed, counter->taken);
            }
        }
    }
    for (size_t i = 0; i < n_calls; i++) {
        fprintf(out, "call %" PRIx64 " %" PRIu64 "\n", calls[i].address, calls[i].n_instructions);
    }
    fputs("end\n", out);
    fclose(out);
}

static void add_function(uint64_t begin, uint64_t end) {
    functions = realloc(functions, (n_functions + 1) * sizeof *functions);
    if (functions == NULL) {
        abort();
    }
    functions[n_functions++] = (function_t){begin, end};
}

static bool read_spec(const char *path) {
    FILE *const file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    char line[128], key[16];
    uint64_t a, b;
    while (fgets(line, sizeof line, file) != NULL) {
        b = 0;
        if (sscanf(line, "%15s %" SCNx64 " %" SCNx64, key, &a, &b) < 2) {
            continue;
        }
        if (strcmp(key, "function") == 0) {
            add_function(a, b);
        } else if (strcmp(key, "handler") == 0 && n_handlers < sizeof handlers / sizeof handlers[0]) {
            handlers[n_handlers++] = a;
        } else if (strcmp(key, "reset") == 0) {
            reset_address = a;
        } else if (strcmp(key, "stack") == 0) {
            stack_low = a;
            stack_high = b;
        } else if (strcmp(key, "begin") == 0) {
            begin_address = a;
        } else if (strcmp(key, "time") == 0 && n_timed < sizeof timed / sizeof timed[0]) {
            timed[n_timed++] = a;
        }
    }
    fclose(file);
    return true;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv) {
    (void)info;
    bool is_read = false;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "spec=", 5) == 0) {
            is_read = read_spec(argv[i] + 5);
        } else if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(argv[i] + 4, "w");
        }
    }
    if (!is_read || out == NULL) {
        return -1;
    }
    began = begin_address == 0;
    register_node(&thread_root);
    register_node(&interrupt_root);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
    qemu_plugin_register_atexit_cb(id, on_end, NULL);
    return 0;
}
