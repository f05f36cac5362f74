/* Go. */
%module heroq
%include "errors.i"
%include "heroq.i"
