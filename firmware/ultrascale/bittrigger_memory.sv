// bittrigger_memory: a memory of 2**PLACES words that is written at one place and read at another.
//
// At each rising edge of clk the word at row becomes data where write is high, and q what the word at place was before. There is no
// reset: what is held stays.
//
// LUTs of SLICEM (UltraScale, UltraScale+, Versal by retargeting), eight that share one write address: up to 32 words in RAM32M16, 14
// bits of each, up to 64 in RAM64M8, 7 bits; and a flip-flop for each bit that is read. The eighth LUT is read at the write address,
// and left out.
`default_nettype none

module bittrigger_memory #(
    parameter int WIDTH = 32,
    parameter int PLACES = 5  // bits of row and place, 6 at most
) (
    input  wire              clk,
    input  wire              write,
    input  wire [PLACES-1:0] row,
    input  wire [ WIDTH-1:0] data,
    input  wire [PLACES-1:0] place,
    output wire [ WIDTH-1:0] q
);

    localparam int EACH = PLACES > 5 ? 7 : 14;  // bits of eight LUTs
    localparam int BLOCKS = (WIDTH + EACH - 1) / EACH;

    wire [5:0] to = 6'(row);
    wire [5:0] from = 6'(place);
    wire [EACH*BLOCKS-1:0] written = (EACH * BLOCKS)'(data);
    wire [EACH*BLOCKS-1:0] read;

    for (genvar k = 0; k < BLOCKS; k++) begin : blocks
        if (PLACES > 5) begin : deep
            RAM64M8 ram (
                .DOA(read[7*k+0]),
                .ADDRA(from[5:0]),
                .DIA(written[7*k+0]),
                .DOB(read[7*k+1]),
                .ADDRB(from[5:0]),
                .DIB(written[7*k+1]),
                .DOC(read[7*k+2]),
                .ADDRC(from[5:0]),
                .DIC(written[7*k+2]),
                .DOD(read[7*k+3]),
                .ADDRD(from[5:0]),
                .DID(written[7*k+3]),
                .DOE(read[7*k+4]),
                .ADDRE(from[5:0]),
                .DIE(written[7*k+4]),
                .DOF(read[7*k+5]),
                .ADDRF(from[5:0]),
                .DIF(written[7*k+5]),
                .DOG(read[7*k+6]),
                .ADDRG(from[5:0]),
                .DIG(written[7*k+6]),
                .DOH(),
                .ADDRH(to[5:0]),
                .DIH(1'd0),
                .WCLK(clk),
                .WE(write)
            );
        end else begin : shallow
            RAM32M16 ram (
                .DOA(read[14*k+0+:2]),
                .ADDRA(from[4:0]),
                .DIA(written[14*k+0+:2]),
                .DOB(read[14*k+2+:2]),
                .ADDRB(from[4:0]),
                .DIB(written[14*k+2+:2]),
                .DOC(read[14*k+4+:2]),
                .ADDRC(from[4:0]),
                .DIC(written[14*k+4+:2]),
                .DOD(read[14*k+6+:2]),
                .ADDRD(from[4:0]),
                .DID(written[14*k+6+:2]),
                .DOE(read[14*k+8+:2]),
                .ADDRE(from[4:0]),
                .DIE(written[14*k+8+:2]),
                .DOF(read[14*k+10+:2]),
                .ADDRF(from[4:0]),
                .DIF(written[14*k+10+:2]),
                .DOG(read[14*k+12+:2]),
                .ADDRG(from[4:0]),
                .DIG(written[14*k+12+:2]),
                .DOH(),
                .ADDRH(to[4:0]),
                .DIH(2'd0),
                .WCLK(clk),
                .WE(write)
            );
        end
    end

    for (genvar i = 0; i < WIDTH; i++) begin : bits
        FDRE #(
            .INIT(1'b0)
        ) word (
            .C (clk),
            .CE(1'b1),
            .D (read[i]),
            .Q (q[i]),
            .R (1'b0)
        );
    end

endmodule

`default_nettype wire
