/* SoftHSM in a reader: while the file $WAFER_TEST_ABSENT exists, the slots hold no token. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OK 0x00000000UL
#define GENERAL_ERROR 0x00000005UL
#define TOKEN_NOT_PRESENT 0x000000E0UL
/* Places in CK_FUNCTION_LIST (PKCS#11 2.40). */
enum { GET_FUNCTION_LIST = 3, GET_SLOT_LIST = 4, GET_TOKEN_INFO = 6, FUNCTIONS = 68 };

struct list {
    unsigned char version[2];
    void *functions[FUNCTIONS];
};

static struct list ours;
static struct list *theirs;

static int absent(void)
{
    const char *path = getenv("WAFER_TEST_ABSENT");
    return path != NULL && access(path, F_OK) == 0;
}

static unsigned long get_slot_list(unsigned char with_token, unsigned long *slots, unsigned long *count)
{
    unsigned long (*real)(unsigned char, unsigned long *, unsigned long *) = theirs->functions[GET_SLOT_LIST];
    if (with_token && absent()) {
        *count = 0;
        return OK;
    }
    return real(with_token, slots, count);
}

static unsigned long get_token_info(unsigned long slot, void *info)
{
    unsigned long (*real)(unsigned long, void *) = theirs->functions[GET_TOKEN_INFO];
    return absent() ? TOKEN_NOT_PRESENT : real(slot, info);
}

unsigned long C_GetFunctionList(struct list **list)
{
    void *module = dlopen(SOFTHSM, RTLD_NOW);
    unsigned long (*real)(struct list **) = module ? dlsym(module, "C_GetFunctionList") : NULL;
    if (real == NULL || real(&theirs) != OK)
        return GENERAL_ERROR;
    memcpy(&ours, theirs, sizeof ours);
    ours.functions[GET_FUNCTION_LIST] = C_GetFunctionList;
    ours.functions[GET_SLOT_LIST] = get_slot_list;
    ours.functions[GET_TOKEN_INFO] = get_token_info;
    *list = &ours;
    return OK;
}
