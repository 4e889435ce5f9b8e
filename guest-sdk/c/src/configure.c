// Made of the contract in wit/ by guest-sdk/c/tool with wit-bindgen 0.61.1. Do not edit.
#include "lazaret.h"

__attribute__((__aligned__(sizeof(void*))))
static uint8_t RET_AREA[(7*sizeof(void*))];

__attribute__((__export_name__("configure")))
uint8_t * __wasm_export_exports_lazaret_configure(uint8_t * arg, size_t arg0) {
  lazaret_string_t arg1 = (lazaret_string_t) { (uint8_t*)(arg), (arg0) };
  lazaret_result_void_string_t ret;
  lazaret_string_t err;
  ret.is_err = !lazaret_configure(&arg1, &err);
  if (ret.is_err) {
    ret.val.err = err;
  }
  uint8_t *ptr = (uint8_t *) &RET_AREA;
  if ((ret).is_err) {
    const lazaret_string_t *payload2 = &(ret).val.err;*((int8_t*)(ptr + 0)) = 1;
    *((size_t*)(ptr + (2*sizeof(void*)))) = (*payload2).len;
    *((uint8_t **)(ptr + sizeof(void*))) = (uint8_t *) (*payload2).ptr;
  } else {
    *((int8_t*)(ptr + 0)) = 0;
  }
  return ptr;
}

// The types of the world `configure`, for whoever makes a component of the module.
__asm__(
  ".section \".custom_section.component-type:lazaret-configure\",\"\",@\n"
  ".byte 0,97,115,109,13,0,1,0,0,25,22,119,105,116,45,99,111,109,112,111,110,101,110,116\n"
  ".byte 45,101,110,99,111,100,105,110,103,4,0,7,73,1,65,2,1,65,3,1,106,0,1,115\n"
  ".byte 1,64,1,6,99,111,110,102,105,103,115,0,0,4,0,9,99,111,110,102,105,103,117,114\n"
  ".byte 101,1,1,4,0,30,108,97,122,97,114,101,116,58,102,105,108,116,101,114,47,99,111,110\n"
  ".byte 102,105,103,117,114,101,64,48,46,49,46,48,4,0,11,15,1,0,9,99,111,110,102,105\n"
  ".byte 103,117,114,101,3,0,0,0,47,9,112,114,111,100,117,99,101,114,115,1,12,112,114,111\n"
  ".byte 99,101,115,115,101,100,45,98,121,1,13,119,105,116,45,99,111,109,112,111,110,101,110,116\n"
  ".byte 7,48,46,50,53,56,46,51\n"
);
