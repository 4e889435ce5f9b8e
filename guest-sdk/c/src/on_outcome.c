// Made of the contract in wit/ by guest-sdk/c/tool with wit-bindgen 0.61.1. Do not edit.
#include "lazaret.h"


__attribute__((__export_name__("lazaret:filter/on-outcome@0.1.0#outcome")))
void __wasm_export_exports_lazaret_filter_on_outcome_outcome(int32_t arg, uint8_t * arg0, size_t arg1, int32_t arg2, uint8_t * arg3, size_t arg4, int32_t arg5, uint8_t * arg6, size_t arg7) {
  lazaret_option_string_t option;
  switch (arg2) {
    case 0: {
      option.is_some = false;
      break;
    }
    case 1: {
      option.is_some = true;
      option.val = (lazaret_string_t) { (uint8_t*)(arg3), (arg4) };
      break;
    }
  }
  lazaret_option_string_t option8;
  switch (arg5) {
    case 0: {
      option8.is_some = false;
      break;
    }
    case 1: {
      option8.is_some = true;
      option8.val = (lazaret_string_t) { (uint8_t*)(arg6), (arg7) };
      break;
    }
  }
  lazaret_outcome_t arg9 = (lazaret_outcome_t) {
    (uint16_t) (uint16_t) (arg),
    (lazaret_string_t) (lazaret_string_t) { (uint8_t*)(arg0), (arg1) },
    (lazaret_option_string_t) option,
    (lazaret_option_string_t) option8,
  };
  lazaret_on_outcome(&arg9);
}

// The types of the world `stage-outcome`, for whoever makes a component of the module.
__asm__(
  ".section \".custom_section.component-type:lazaret-stage-outcome\",\"\",@\n"
  ".byte 0,97,115,109,13,0,1,0,0,25,22,119,105,116,45,99,111,109,112,111,110,101,110,116\n"
  ".byte 45,101,110,99,111,100,105,110,103,4,0,7,181,1,1,65,2,1,65,2,1,66,5,1\n"
  ".byte 107,115,1,114,4,4,99,111,100,101,123,4,116,101,120,116,115,10,100,101,99,105,100,101\n"
  ".byte 100,45,98,121,0,8,113,117,101,117,101,45,105,100,0,4,0,21,114,101,115,117,108,116\n"
  ".byte 45,111,102,45,116,114,97,110,115,97,99,116,105,111,110,3,0,1,1,64,1,11,116,114\n"
  ".byte 97,110,115,97,99,116,105,111,110,2,1,0,4,0,7,111,117,116,99,111,109,101,1,3\n"
  ".byte 4,0,31,108,97,122,97,114,101,116,58,102,105,108,116,101,114,47,111,110,45,111,117,116\n"
  ".byte 99,111,109,101,64,48,46,49,46,48,5,0,4,0,34,108,97,122,97,114,101,116,58,102\n"
  ".byte 105,108,116,101,114,47,115,116,97,103,101,45,111,117,116,99,111,109,101,64,48,46,49,46\n"
  ".byte 48,4,0,11,19,1,0,13,115,116,97,103,101,45,111,117,116,99,111,109,101,3,0,0\n"
  ".byte 0,47,9,112,114,111,100,117,99,101,114,115,1,12,112,114,111,99,101,115,115,101,100,45\n"
  ".byte 98,121,1,13,119,105,116,45,99,111,109,112,111,110,101,110,116,7,48,46,50,53,56,46\n"
  ".byte 51\n"
);
