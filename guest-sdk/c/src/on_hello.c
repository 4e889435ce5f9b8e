// Made of the contract in wit/ by guest-sdk/c/tool with wit-bindgen 0.61.1. Do not edit.
#include "lazaret.h"

__attribute__((__aligned__(sizeof(void*))))
static uint8_t RET_AREA[(7*sizeof(void*))];

__attribute__((__export_name__("lazaret:filter/on-hello@0.1.0#hello")))
uint8_t * __wasm_export_exports_lazaret_filter_on_hello_hello(uint8_t * arg, size_t arg0) {
  lazaret_string_t arg1 = (lazaret_string_t) { (uint8_t*)(arg), (arg0) };
  lazaret_verdict_t ret;
  lazaret_on_hello(&arg1, &ret);
  uint8_t *ptr = (uint8_t *) &RET_AREA;
  switch ((int32_t) (ret).tag) {
    case 0: {
      *((int8_t*)(ptr + 0)) = 0;
      break;
    }
    case 1: {
      *((int8_t*)(ptr + 0)) = 1;
      break;
    }
    case 2: {
      const lazaret_reply_t *payload3 = &(ret).val.reject;
      *((int8_t*)(ptr + 0)) = 2;
      if (((*payload3).code).is_some) {
        const uint16_t *payload5 = &((*payload3).code).val;
        *((int8_t*)(ptr + sizeof(void*))) = 1;
        *((int16_t*)(ptr + (2+1*sizeof(void*)))) = (int32_t) (*payload5);
      } else {
        *((int8_t*)(ptr + sizeof(void*))) = 0;
      }
      if (((*payload3).enhanced).is_some) {
        const lazaret_string_t *payload7 = &((*payload3).enhanced).val;
        *((int8_t*)(ptr + (2*sizeof(void*)))) = 1;
        *((size_t*)(ptr + (4*sizeof(void*)))) = (*payload7).len;
        *((uint8_t **)(ptr + (3*sizeof(void*)))) = (uint8_t *) (*payload7).ptr;
      } else {
        *((int8_t*)(ptr + (2*sizeof(void*)))) = 0;
      }
      *((size_t*)(ptr + (6*sizeof(void*)))) = ((*payload3).text).len;
      *((uint8_t **)(ptr + (5*sizeof(void*)))) = (uint8_t *) ((*payload3).text).ptr;
      break;
    }
    case 3: {
      const lazaret_reply_t *payload8 = &(ret).val.defer;
      *((int8_t*)(ptr + 0)) = 3;
      if (((*payload8).code).is_some) {
        const uint16_t *payload10 = &((*payload8).code).val;
        *((int8_t*)(ptr + sizeof(void*))) = 1;
        *((int16_t*)(ptr + (2+1*sizeof(void*)))) = (int32_t) (*payload10);
      } else {
        *((int8_t*)(ptr + sizeof(void*))) = 0;
      }
      if (((*payload8).enhanced).is_some) {
        const lazaret_string_t *payload12 = &((*payload8).enhanced).val;
        *((int8_t*)(ptr + (2*sizeof(void*)))) = 1;
        *((size_t*)(ptr + (4*sizeof(void*)))) = (*payload12).len;
        *((uint8_t **)(ptr + (3*sizeof(void*)))) = (uint8_t *) (*payload12).ptr;
      } else {
        *((int8_t*)(ptr + (2*sizeof(void*)))) = 0;
      }
      *((size_t*)(ptr + (6*sizeof(void*)))) = ((*payload8).text).len;
      *((uint8_t **)(ptr + (5*sizeof(void*)))) = (uint8_t *) ((*payload8).text).ptr;
      break;
    }
    case 4: {
      *((int8_t*)(ptr + 0)) = 4;
      break;
    }
    case 5: {
      const lazaret_string_t *payload14 = &(ret).val.quarantine;
      *((int8_t*)(ptr + 0)) = 5;
      *((size_t*)(ptr + (2*sizeof(void*)))) = (*payload14).len;
      *((uint8_t **)(ptr + sizeof(void*))) = (uint8_t *) (*payload14).ptr;
      break;
    }
    case 6: {
      const lazaret_reply_t *payload15 = &(ret).val.disconnect;
      *((int8_t*)(ptr + 0)) = 6;
      if (((*payload15).code).is_some) {
        const uint16_t *payload17 = &((*payload15).code).val;
        *((int8_t*)(ptr + sizeof(void*))) = 1;
        *((int16_t*)(ptr + (2+1*sizeof(void*)))) = (int32_t) (*payload17);
      } else {
        *((int8_t*)(ptr + sizeof(void*))) = 0;
      }
      if (((*payload15).enhanced).is_some) {
        const lazaret_string_t *payload19 = &((*payload15).enhanced).val;
        *((int8_t*)(ptr + (2*sizeof(void*)))) = 1;
        *((size_t*)(ptr + (4*sizeof(void*)))) = (*payload19).len;
        *((uint8_t **)(ptr + (3*sizeof(void*)))) = (uint8_t *) (*payload19).ptr;
      } else {
        *((int8_t*)(ptr + (2*sizeof(void*)))) = 0;
      }
      *((size_t*)(ptr + (6*sizeof(void*)))) = ((*payload15).text).len;
      *((uint8_t **)(ptr + (5*sizeof(void*)))) = (uint8_t *) ((*payload15).text).ptr;
      break;
    }
  }
  return ptr;
}

// The types of the world `stage-hello`, for whoever makes a component of the module.
__asm__(
  ".section \".custom_section.component-type:lazaret-stage-hello\",\"\",@\n"
  ".byte 0,97,115,109,13,0,1,0,0,25,22,119,105,116,45,99,111,109,112,111,110,101,110,116\n"
  ".byte 45,101,110,99,111,100,105,110,103,4,0,7,198,3,1,65,2,1,65,5,1,66,13,1\n"
  ".byte 107,123,1,107,115,1,114,3,4,99,111,100,101,0,8,101,110,104,97,110,99,101,100,1\n"
  ".byte 4,116,101,120,116,115,4,0,5,114,101,112,108,121,3,0,2,1,113,7,8,99,111,110\n"
  ".byte 116,105,110,117,101,0,0,6,97,99,99,101,112,116,0,0,6,114,101,106,101,99,116,1\n"
  ".byte 3,0,5,100,101,102,101,114,1,3,0,7,100,105,115,99,97,114,100,0,0,10,113,117\n"
  ".byte 97,114,97,110,116,105,110,101,1,115,0,10,100,105,115,99,111,110,110,101,99,116,1,3\n"
  ".byte 0,4,0,7,118,101,114,100,105,99,116,3,0,4,1,114,2,7,107,101,121,119,111,114\n"
  ".byte 100,115,5,118,97,108,117,101,1,4,0,9,112,97,114,97,109,101,116,101,114,3,0,6\n"
  ".byte 1,112,7,1,114,4,7,109,97,105,108,98,111,120,115,10,108,111,99,97,108,45,112,97\n"
  ".byte 114,116,115,6,100,111,109,97,105,110,115,10,112,97,114,97,109,101,116,101,114,115,8,4\n"
  ".byte 0,7,97,100,100,114,101,115,115,3,0,9,1,109,5,11,110,111,116,45,103,114,97,110\n"
  ".byte 116,101,100,7,110,111,116,45,110,111,119,5,108,105,109,105,116,11,117,110,97,118,97,105\n"
  ".byte 108,97,98,108,101,7,105,110,118,97,108,105,100,4,0,5,101,114,114,111,114,3,0,11\n"
  ".byte 3,0,26,108,97,122,97,114,101,116,58,102,105,108,116,101,114,47,116,121,112,101,115,64\n"
  ".byte 48,46,49,46,48,5,0,2,3,0,0,7,118,101,114,100,105,99,116,1,66,4,2,3\n"
  ".byte 2,1,1,4,0,7,118,101,114,100,105,99,116,3,0,0,1,64,1,4,110,97,109,101\n"
  ".byte 115,0,1,4,0,5,104,101,108,108,111,1,2,4,0,29,108,97,122,97,114,101,116,58\n"
  ".byte 102,105,108,116,101,114,47,111,110,45,104,101,108,108,111,64,48,46,49,46,48,5,2,4\n"
  ".byte 0,32,108,97,122,97,114,101,116,58,102,105,108,116,101,114,47,115,116,97,103,101,45,104\n"
  ".byte 101,108,108,111,64,48,46,49,46,48,4,0,11,17,1,0,11,115,116,97,103,101,45,104\n"
  ".byte 101,108,108,111,3,0,0,0,47,9,112,114,111,100,117,99,101,114,115,1,12,112,114,111\n"
  ".byte 99,101,115,115,101,100,45,98,121,1,13,119,105,116,45,99,111,109,112,111,110,101,110,116\n"
  ".byte 7,48,46,50,53,56,46,51\n"
);
