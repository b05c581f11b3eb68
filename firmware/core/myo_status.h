/* What an init function found. Only init functions return a status: the hot path counts faults instead. */
#ifndef MYO_STATUS_H
#define MYO_STATUS_H

typedef enum {
    MYO_OK = 0,
    MYO_ERROR_NULL = 1,     /* a pointer that must point somewhere is null */
    MYO_ERROR_CONFIG = 2,   /* a value of the config is out of its range, or two contradict each other */
    MYO_ERROR_MEMORY = 3,   /* a buffer that the caller owns is too small */
    MYO_ERROR_ALIGNMENT = 4 /* a buffer that the caller owns is not aligned as its header says */
} myo_status_t;

#endif
