// Made of the contract in wit/ by guest-sdk/c/tool with wit-bindgen 0.61.1. Do not edit.
#include "lazaret.h"


__attribute__((__export_name__("lazaret:filter/on-disconnect@0.1.0#disconnect")))
void __wasm_export_exports_lazaret_filter_on_disconnect_disconnect(uint8_t * arg, size_t arg0) {
  lazaret_string_t arg1 = (lazaret_string_t) { (uint8_t*)(arg), (arg0) };
  lazaret_on_disconnect(&arg1);
}

// The types of the world `stage-disconnect`, for whoever makes a component of the module.
__asm__(
  ".section \".custom_section.component-type:lazaret-stage-disconnect\",\"\",@\n"
  ".byte 0,97,115,109,13,0,1,0,0,25,22,119,105,116,45,99,111,109,112,111,110,101,110,116\n"
  ".byte 45,101,110,99,111,100,105,110,103,4,0,7,118,1,65,2,1,65,2,1,66,2,1,64\n"
  ".byte 1,6,114,101,97,115,111,110,115,1,0,4,0,10,100,105,115,99,111,110,110,101,99,116\n"
  ".byte 1,0,4,0,34,108,97,122,97,114,101,116,58,102,105,108,116,101,114,47,111,110,45,100\n"
  ".byte 105,115,99,111,110,110,101,99,116,64,48,46,49,46,48,5,0,4,0,37,108,97,122,97\n"
  ".byte 114,101,116,58,102,105,108,116,101,114,47,115,116,97,103,101,45,100,105,115,99,111,110,110\n"
  ".byte 101,99,116,64,48,46,49,46,48,4,0,11,22,1,0,16,115,116,97,103,101,45,100,105\n"
  ".byte 115,99,111,110,110,101,99,116,3,0,0,0,47,9,112,114,111,100,117,99,101,114,115,1\n"
  ".byte 12,112,114,111,99,101,115,115,101,100,45,98,121,1,13,119,105,116,45,99,111,109,112,111\n"
  ".byte 110,101,110,116,7,48,46,50,53,56,46,51\n"
);
