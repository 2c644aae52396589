# cmake -DBUG=NAME -DPATCH=FILE -DSOURCE=FILE -DOUTPUT=FILE -P apply.cmake: makes OUTPUT from SOURCE and the patch.
get_filename_component(folder ${OUTPUT} DIRECTORY)
file(MAKE_DIRECTORY ${folder})
execute_process(
  COMMAND patch --silent --force --no-backup-if-mismatch --reject-file=- --output=${OUTPUT} ${SOURCE} ${PATCH}
  RESULT_VARIABLE failed
  OUTPUT_VARIABLE said
  ERROR_VARIABLE said)
if(failed)
  file(REMOVE ${OUTPUT})
  message(FATAL_ERROR "planted bug ${BUG}: ${PATCH} no longer applies to ${SOURCE}; "
                      "make it anew (tests/simulation/planted_bugs/README.md)\n${said}")
endif()
