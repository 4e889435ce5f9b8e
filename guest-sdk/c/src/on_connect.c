// Made of the contract in wit/ by guest-sdk/c/tool with wit-bindgen 0.61.1. Do not edit.
#include "lazaret.h"

__attribute__((__aligned__(sizeof(void*))))
static uint8_t RET_AREA[(7*sizeof(void*))];

__attribute__((__export_name__("lazaret:filter/on-connect@0.1.0#connect")))
uint8_t * __wasm_export_exports_lazaret_filter_on_connect_connect(void) {
  lazaret_verdict_t ret;
  lazaret_on_connect(&ret);
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
      const lazaret_reply_t *payload1 = &(ret).val.reject;
      *((int8_t*)(ptr + 0)) = 2;
      if (((*payload1).code).is_some) {
        const uint16_t *payload3 = &((*payload1).code).val;
        *((int8_t*)(ptr + sizeof(void*))) = 1;
        *((int16_t*)(ptr + (2+1*sizeof(void*)))) = (int32_t) (*payload3);
      } else {
        *((int8_t*)(ptr + sizeof(void*))) = 0;
      }
      if (((*payload1).enhanced).is_some) {
        const lazaret_string_t *payload5 = &((*payload1).enhanced).val;
        *((int8_t*)(ptr + (2*sizeof(void*)))) = 1;
        *((size_t*)(ptr + (4*sizeof(void*)))) = (*payload5).len;
        *((uint8_t **)(ptr + (3*sizeof(void*)))) = (uint8_t *) (*payload5).ptr;
      } else {
        *((int8_t*)(ptr + (2*sizeof(void*)))) = 0;
      }
      *((size_t*)(ptr + (6*sizeof(void*)))) = ((*payload1).text).len;
      *((uint8_t **)(ptr + (5*sizeof(void*)))) = (uint8_t *) ((*payload1).text).ptr;
      break;
    }
    case 3: {
      const lazaret_reply_t *payload6 = &(ret).val.defer;
      *((int8_t*)(ptr + 0)) = 3;
      if (((*payload6).code).is_some) {
        const uint16_t *payload8 = &((*payload6).code).val;
        *((int8_t*)(ptr + sizeof(void*))) = 1;
        *((int16_t*)(ptr + (2+1*sizeof(void*)))) = (int32_t) (*payload8);
      } else {
        *((int8_t*)(ptr + sizeof(void*))) = 0;
      }
      if (((*payload6).enhanced).is_some) {
        const lazaret_string_t *payload10 = &((*payload6).enhanced).val;
        *((int8_t*)(ptr + (2*sizeof(void*)))) = 1;
        *((size_t*)(ptr + (4*sizeof(void*)))) = (*payload10).len;
        *((uint8_t **)(ptr + (3*sizeof(void*)))) = (uint8_t *) (*payload10).ptr;
      } else {
        *((int8_t*)(ptr + (2*sizeof(void*)))) = 0;
      }
      *((size_t*)(ptr + (6*sizeof(void*)))) = ((*payload6).text).len;
      *((uint8_t **)(ptr + (5*sizeof(void*)))) = (uint8_t *) ((*payload6).text).ptr;
      break;
    }
    case 4: {
      *((int8_t*)(ptr + 0)) = 4;
      break;
    }
    case 5: {
      const lazaret_string_t *payload12 = &(ret).val.quarantine;
      *((int8_t*)(ptr + 0)) = 5;
      *((size_t*)(ptr + (2*sizeof(void*)))) = (*payload12).len;
      *((uint8_t **)(ptr + sizeof(void*))) = (uint8_t *) (*payload12).ptr;
      break;
    }
    case 6: {
      const lazaret_reply_t *payload13 = &(ret).val.disconnect;
      *((int8_t*)(ptr + 0)) = 6;
      if (((*payload13).code).is_some) {
        const uint16_t *payload15 = &((*payload13).code).val;
        *((int8_t*)(ptr + sizeof(void*))) = 1;
        *((int16_t*)(ptr + (2+1*sizeof(void*)))) = (int32_t) (*payload15);
      } else {
        *((int8_t*)(ptr + sizeof(void*))) = 0;
      }
      if (((*payload13).enhanced).is_some) {
        const lazaret_string_t *payload17 = &((*payload13).enhanced).val;
        *((int8_t*)(ptr + (2*sizeof(void*)))) = 1;
        *((size_t*)(ptr + (4*sizeof(void*)))) = (*payload17).len;
        *((uint8_t **)(ptr + (3*sizeof(void*)))) = (uint8_t *) (*payload17).ptr;
      } else {
        *((int8_t*)(ptr + (2*sizeof(void*)))) = 0;
      }
      *((size_t*)(ptr + (6*sizeof(void*)))) = ((*payload13).text).len;
      *((uint8_t **)(ptr + (5*sizeof(void*)))) = (uint8_t *) ((*payload13).text).ptr;
      break;
    }
  }
  return ptr;
}

// The types of the world `stage-connect`, for whoever makes a component of the module.
__asm__(
  ".section \".custom_section.component-type:lazaret-stage-connect\",\"\",@\n"
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
  ".byte 2,1,1,4,0,7,118,101,114,100,105,99,116,3,0,0,1,64,0,0,1,4,0,7\n"
  ".byte 99,111,110,110,101,99,116,1,2,4,0,31,108,97,122,97,114,101,116,58,102,105,108,116\n"
  ".byte 101,114,47,111,110,45,99,111,110,110,101,99,116,64,48,46,49,46,48,5,2,4,0,34\n"
  ".byte 108,97,122,97,114,101,116,58,102,105,108,116,101,114,47,115,116,97,103,101,45,99,111,110\n"
  ".byte 110,101,99,116,64,48,46,49,46,48,4,0,11,19,1,0,13,115,116,97,103,101,45,99\n"
  ".byte 111,110,110,101,99,116,3,0,0,0,47,9,112,114,111,100,117,99,101,114,115,1,12,112\n"
  ".byte 114,111,99,101,115,115,101,100,45,98,121,1,13,119,105,116,45,99,111,109,112,111,110,101\n"
  ".byte 110,116,7,48,46,50,53,56,46,51\n"
);
