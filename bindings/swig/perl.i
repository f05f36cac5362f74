/* Perl. */
%module heroq
%include "errors.i"
%include "heroq.i"
